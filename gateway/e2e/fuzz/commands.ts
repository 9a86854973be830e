/**
 * Frames and bodies as a client of good will sends them, each drawn anew, for the mutations to begin with. The channels are few,
 * so that what is stored and who is subscribed meet. Pure; the healthy clients' channels never occur.
 */
import type { Random } from '../harness/plan.ts';
import { tokenOf, USERS } from './credentials.ts';
import { Fields, type Tree } from './inputs.ts';

/** The paths of WebSockets. */
export const PATHS = ['/ws', '/chat', '/notifications'] as const;
export type Path = (typeof PATHS)[number];

const CHANNELS = [
  'events',
  'fuzz:a',
  'fuzz:b',
  'chat:lobby',
  'chat:r1',
  'notify:all',
  'notify:@ada',
  'ephemeral:x',
  '@ada',
  '@github:1',
  'notify:@:auth0:7Ceve',
  'x',
];
export const NAMES = ['ada', 'bob', 'Åsa', 'Ｂｏｂ', 'User1234', '👩‍👩‍👧‍👦', 'x'.repeat(20)];
export const ROOMS = ['lobby', 'r1', 'r2', 'r3'];

export function channel(random: Random): string {
  return random.below(30) === 0 ? `fuzz:${random.below(2_000)}` : random.pick(CHANNELS);
}

export function position(random: Random): string {
  return random.pick(['0-0', '1-0', `${random.below(2 ** 31)}-0`, '1700000000000-3']);
}

function data(random: Random): Tree {
  return random.pick<Tree>([
    1,
    null,
    'text',
    ['a', 1],
    Fields.of({ n: 1, text: '\u2028' }),
    'x'.repeat(random.below(300)),
  ]);
}

/** Present or not: undefined is left out of the object. */
function maybe(random: Random, value: Tree): Tree | undefined {
  return random.below(2) === 0 ? value : undefined;
}

export function publication(random: Random): Fields {
  return Fields.of({
    channel: channel(random),
    event: maybe(random, random.pick(['message', 'tick', 'end', 'a.b-c:d'])),
    data: data(random),
    key: maybe(random, `k${random.below(50)}`),
    keyScope: random.below(4) === 0 ? random.pick(['publisher', 'channel']) : undefined,
  });
}

export function command(random: Random, path: Path): Fields {
  const ref = maybe(random, random.pick<Tree>([1, 'r', 'x'.repeat(128)]));
  const made = path === '/ws' ? wsCommand(random) : path === '/chat' ? chatCommand(random) : notifyCommand(random);
  return ref === undefined ? made : new Fields([...made.members, ['ref', ref]]);
}

function wsCommand(random: Random): Fields {
  const where = channel(random);
  switch (random.below(9)) {
    case 0:
    case 1:
      return Fields.of({ type: 'subscribe', channel: where, ...start(random) });
    case 2:
      return Fields.of({ type: 'unsubscribe', channel: where });
    case 3:
    case 4:
      return new Fields([['type', 'publish'], ...publication(random).members]);
    case 5:
      return Fields.of({
        type: 'history',
        channel: where,
        after: maybe(random, position(random)),
        before: maybe(random, position(random)),
        limit: maybe(random, 1 + random.below(1_000)),
      });
    case 6:
      return Fields.of({ type: 'presence', channel: where });
    case 7:
      return auth(random);
    default:
      return Fields.of({ type: 'ping' });
  }
}

function auth(random: Random): Fields {
  return Fields.of({ type: 'auth', token: tokenOf(random.pick(USERS)) });
}

/** Whether it is a fresh token, which ends the connection where anything is wrong with it. */
export function isAuth(command: Fields): boolean {
  return command.members.some(([name, value]) => name === 'type' && value === 'auth');
}

function start(random: Random): Record<string, Tree> {
  return random.pick<Record<string, Tree>>([{}, { after: position(random) }, { tail: random.below(1_001) }]);
}

function chatCommand(random: Random): Fields {
  const types = [
    () => Fields.of({ type: 'set_username', username: random.pick(NAMES) }),
    () => Fields.of({ type: 'message', content: 'hello', key: maybe(random, `k${random.below(50)}`) }),
    () => Fields.of({ type: 'get_users' }),
    () => Fields.of({ type: 'typing' }),
    () => auth(random),
    () => Fields.of({ type: 'ping' }),
  ];
  return random.pick(types)();
}

function notifyCommand(random: Random): Fields {
  const create = () =>
    Fields.of({
      type: 'create',
      title: 'title',
      message: 'text',
      priority: random.pick(['low', 'normal', 'high']),
      to: maybe(random, random.pick(['ada', 'bob'])),
      key: maybe(random, `k${random.below(50)}`),
    });
  const read = () => Fields.of({ type: 'read', id: position(random) });
  return random.pick([create, create, read, () => auth(random), () => Fields.of({ type: 'ping' })])();
}
