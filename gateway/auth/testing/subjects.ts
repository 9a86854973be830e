/** What identity providers issue as `sub`, in the forms of their documentation: for tests. */
export interface Subject {
  readonly provider: string;
  /** The claim of its tokens. */
  readonly sub: string | number;
  /** How that user stands in the names of channels. */
  readonly segment: string;
}

export const SUBJECTS: readonly Subject[] = [
  {
    provider: 'Auth0, its database',
    sub: 'auth0|5f7c8ec7c33c6c004bbafe82',
    segment: ':auth0:7C5f7c8ec7c33c6c004bbafe82',
  },
  {
    provider: 'Auth0, Google',
    sub: 'google-oauth2|107691503500060507151',
    segment: ':google-oauth2:7C107691503500060507151',
  },
  {
    provider: 'Auth0, SAML',
    sub: 'samlp|acme|ada@example.com',
    segment: ':samlp:7Cacme:7Cada@example.com',
  },
  { provider: 'Auth0, an application', sub: 'fHh2Vx0AbC9@clients', segment: 'fHh2Vx0AbC9@clients' },
  { provider: 'Okta, ID token', sub: '00uid4BxXw6I6TV4m0g3', segment: '00uid4BxXw6I6TV4m0g3' },
  { provider: 'Okta, access token', sub: 'ada+x@example.com', segment: ':ada:2Bx@example.com' },
  {
    provider: 'Entra',
    sub: 'bPnSL00SVbZoFB97zHSwi9ksiT4bAzGxL2LKk2oaJcM',
    segment: 'bPnSL00SVbZoFB97zHSwi9ksiT4bAzGxL2LKk2oaJcM',
  },
  {
    provider: 'Cognito, user pool',
    sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    segment: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  },
  {
    provider: 'Cognito, identity pool',
    sub: 'us-east-1:12345678-1234-1234-1234-123456789012',
    segment: 'us-east-1:12345678-1234-1234-1234-123456789012',
  },
  { provider: 'Google', sub: '10769150350006150715113082367', segment: '10769150350006150715113082367' },
  {
    provider: 'Keycloak',
    sub: '3f1c8a5e-0a43-4c5e-9d1c-1f1d1f0f0a11',
    segment: '3f1c8a5e-0a43-4c5e-9d1c-1f1d1f0f0a11',
  },
  {
    provider: 'Keycloak, federated',
    sub: 'f:3f1c8a5e-0a43-4c5e-9d1c-1f1d1f0f0a11:Ada Lovelace',
    segment: ':f:3A3f1c8a5e-0a43-4c5e-9d1c-1f1d1f0f0a11:3AAda:20Lovelace',
  },
  { provider: 'Firebase', sub: 'piOO6tNTzZcQVS2zPZgQPyBnEqV2', segment: 'piOO6tNTzZcQVS2zPZgQPyBnEqV2' },
  { provider: 'Firebase, own uid', sub: 'zoë/7', segment: ':zo:C3:AB:2F7' },
  {
    provider: 'Supabase',
    sub: '11111111-1111-1111-1111-111111111111',
    segment: '11111111-1111-1111-1111-111111111111',
  },
  { provider: 'Clerk', sub: 'user_2NtWHPjMwWvYYpXzOAYbBvM4fcd', segment: 'user_2NtWHPjMwWvYYpXzOAYbBvM4fcd' },
  { provider: 'GitHub, a user', sub: 583231, segment: '583231' },
  {
    provider: 'GitHub, a workflow',
    sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
    segment: ':repo:3Aocto-org:2Focto-repo:3Aref:3Arefs:2Fheads:2Fmain',
  },
  { provider: 'GitHub, by an application', sub: 'github:1', segment: 'github:1' },
  {
    provider: 'a URL',
    sub: 'https://id.example/users/1?x=*',
    segment: ':https:3A:2F:2Fid.example:2Fusers:2F1:3Fx:3D:2A',
  },
  { provider: 'a name', sub: 'Zoë Ångström', segment: ':Zo:C3:AB:20:C3:85ngstr:C3:B6m' },
  {
    provider: 'a long one',
    sub: `https://id.example/${'x'.repeat(200)}`,
    segment: '::sha256-diN4ifhn6BviSB-TY0NkPADIUU34ARQOLZVVcAgHl5Y',
  },
];
