/** The texts that every page has: its frame, the states of a connection, and errors. */
import { bilingual } from './language.ts';

export const texts = bilingual(
  {
    skip: 'Skip to the content',
    pages: 'Demos',
    echo: 'Echo',
    chat: 'Chat',
    events: 'Events',
    notifications: 'Notifications',
    monitoring: 'Monitoring',
    needsScript: 'This page needs JavaScript. The commands of the README work without it.',
    footer: 'Passerelle: publish and subscribe over WebSocket and Server-Sent Events, with exact resume',
    figures: 'Figures of this gateway',
    stats: 'Stats',
    metrics: 'Metrics',
    health: 'Health',

    connecting: 'Connecting',
    live: 'Live',
    reconnecting: 'Reconnecting',
    closed: 'Disconnected',
    refused: 'Refused',
    stateBecause: (state: string, reason: string) => `${state}: ${reason}`,

    copy: 'Copy',
    copied: 'Copied',
    selected: 'Selected: copy it with the keyboard',

    tokenTitle: 'This gateway asks for a token',
    aboutToken:
      'It lets in who shows a token (a JWT). Whoever runs the gateway issues one, or the application that you sign in to. This window keeps it for all pages of this gateway, until you forget it here or close the window.',
    token: 'Token',
    useToken: 'Use it',
    tokenHeld: 'This window shows the gateway a token.',
    forgetToken: 'Forget the token',
    tokenNeeded: 'a valid token is needed',
    noToken: 'This is no token: one has three parts of letters, digits, - and _, with a dot between them.',
    tokenRefused: (reason: string) => `The gateway does not take this token. ${reason}`,

    tooLong: 'That is longer than the gateway takes. Shorten it, and send it again.',

    /** What the gateway says of an error is a sentence for a person, in English. */
    said: (sentence: string) => sentence,
    gatewayError: (_code: string, sentence: string) => sentence,
  },
  {
    skip: 'Aller au contenu',
    pages: 'Démonstrations',
    echo: 'Écho',
    chat: 'Discussion',
    events: 'Événements',
    notifications: 'Notifications',
    monitoring: 'Supervision',
    needsScript: 'Cette page a besoin de JavaScript. Les commandes du README s’en passent.',
    footer: 'Passerelle\u00a0: publication et abonnement par WebSocket et Server-Sent Events, avec reprise exacte',
    figures: 'Chiffres de cette passerelle',
    stats: 'Statistiques',
    metrics: 'Métriques',
    health: 'Santé',

    connecting: 'Connexion…',
    live: 'En direct',
    reconnecting: 'Reconnexion…',
    closed: 'Déconnecté',
    refused: 'Refusé',
    stateBecause: (state, reason) => `${state}\u00a0: ${reason}`,

    copy: 'Copier',
    copied: 'Copié',
    selected: 'Sélectionné\u00a0: copiez avec le clavier',

    tokenTitle: 'Cette passerelle demande un jeton',
    aboutToken:
      'Elle laisse entrer qui montre un jeton (un JWT). Il est remis par qui exploite la passerelle, ou par l’application où vous vous identifiez. Cette fenêtre le garde pour toutes les pages de cette passerelle, jusqu’à ce que vous l’oubliiez ici ou fermiez la fenêtre.',
    token: 'Jeton',
    useToken: 'Utiliser',
    tokenHeld: 'Cette fenêtre montre un jeton à la passerelle.',
    forgetToken: 'Oublier le jeton',
    tokenNeeded: 'un jeton valable est nécessaire',
    noToken:
      'Ce n’est pas un jeton : il a trois parties faites de lettres, de chiffres, de - et de _, séparées par des points.',
    tokenRefused: (reason) => `La passerelle n’accepte pas ce jeton. ${reason}`,

    tooLong: 'C’est plus long que ce que la passerelle accepte. Raccourcissez, puis envoyez de nouveau.',

    said: quoted,
    gatewayError: (code, sentence) => {
      const known = FRENCH_ERRORS.get(code);
      return known === undefined ? quoted(sentence) : `${known} (${quoted(sentence)})`;
    },
  },
);

/** By the codes of the protocol. */
const FRENCH_ERRORS: ReadonlyMap<string, string> = new Map([
  ['bad_request', 'La demande n’est pas valable'],
  ['unauthorized', 'Un jeton valable est nécessaire'],
  ['forbidden', 'Cela n’est pas permis'],
  ['name_taken', 'Ce nom est déjà pris'],
  ['too_large', 'C’est trop volumineux'],
  ['too_many', 'La limite est dépassée'],
  ['server_full', 'La passerelle est pleine'],
  ['unavailable', 'Redis est injoignable pour le moment'],
  ['slow_consumer', 'Cette connexion n’a pas lu assez vite'],
]);

function quoted(sentence: string): string {
  return sentence === '' ? '' : `«\u00a0${sentence}\u00a0»`;
}
