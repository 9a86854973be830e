/**
 * WebSocket conversations: a handshake, frames that the protocol of WebSockets allows but ours may not, a ping that proves
 * that all of them were read, and at the end something that no WebSocket may carry. Pure.
 */
import { isUtf8 } from 'node:buffer';
import type { Random } from '../harness/plan.ts';
import { command, isAuth, NAMES, PATHS, type Path, position, ROOMS } from './commands.ts';
import { KEY, tokenOf, USERS, type User, wrong } from './credentials.ts';
import { mutated, mutatedBytes, oddText, oneLine, percentEncoded, randomBytes, render } from './inputs.ts';
import { type Step, slowly, step } from './step.ts';

const MAX_FRAMES = 60;
/** Larger frames end the connection, so they come last only. The gateway's MAX_MESSAGE_BYTES is 65,536. */
const LARGEST = 60_000;
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const READ_ALL = 'all-read';

export function webSocketConversation(random: Random): Step[] {
  const path = random.pick(PATHS);
  const strange = random.below(6) === 0;
  const opening = step(random, Buffer.from(strange ? strangeHandshake(random, path) : rightHandshake(random, path)), {
    inputs: strange ? 1 : 0,
    awaits: strange ? '' : '"type":"',
    mayEnd: strange,
  });
  const count = strange ? 3 : 5 + random.below(MAX_FRAMES - 5);
  const frames: Buffer[] = [];
  const last: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const { bytes, ends } = message(random, path);
    (ends ? last : frames).push(bytes);
  }
  frames.push(text(random, `{"type":"ping","ref":"${READ_ALL}"}`));
  const batch = step(random, Buffer.concat(frames), {
    inputs: frames.length - 1,
    awaits: `"${READ_ALL}"`,
    mayEnd: strange,
  });
  // Of those that end the connection only the first is read, so one of them is all that is sent.
  const final = last[0] !== undefined && random.below(2) === 0 ? last[0] : violation(random);
  const after = random.below(2) === 0 ? text(random, '{"type":"ping"}') : Buffer.alloc(0);
  const end = step(random, Buffer.concat([final, after]));
  const slow = random.below(40) === 0;
  return slow ? [slowly(random, opening), batch, slowly(random, end)] : [opening, batch, end];
}

/** As anybody, as a user, or, where that is no user's affair, as a server. */
function rightHandshake(random: Random, path: Path): string {
  const user = random.below(3) === 0 ? undefined : random.pick(USERS);
  const where = target(random, path, user);
  if (user === undefined)
    return handshake(where, path === '/ws' && random.below(4) === 0 ? [`Authorization: Bearer ${KEY}`] : []);
  const token = tokenOf(user);
  switch (random.below(3)) {
    case 0:
      return handshake(where, [`Authorization: Bearer ${token}`]);
    case 1:
      return handshake(where, [`Sec-WebSocket-Protocol: passerelle, ${token}`]);
    default:
      return handshake(`${where}&token=${token}`);
  }
}

/** A path whose query is right. */
function target(random: Random, path: Path, user: User | undefined): string {
  const query = new URLSearchParams();
  if (path === '/chat') {
    query.set('room', random.pick(ROOMS));
    if (random.below(2) === 0) query.set('username', random.below(3) === 0 ? oddText(random) : random.pick(NAMES));
    if (random.below(4) === 0) query.set('tail', `${random.below(50)}`);
  }
  if (path === '/notifications' && user !== undefined && random.below(2) === 0) query.set('user', user);
  if (path === '/notifications' && random.below(4) === 0) query.set('after', position(random));
  if (random.below(10) === 0) query.set('resume', oddText(random));
  return `${path}?${query}`.slice(0, 2_000);
}

function handshake(where: string, headers: readonly string[] = []): string {
  const lines = [
    ...['Host: gateway', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13'],
    ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', ...headers],
  ];
  return `GET ${where} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

function strangeHandshake(random: Random, path: Path): string {
  const odd = () => oneLine(oddText(random), 1_000);
  const name = random.pick(['room', 'username', 'after', 'tail', 'user', 'resume', 'token', 'ticket', '__proto__', '']);
  const shown = random.pick(['token', 'ticket']);
  const query = random.pick([
    '',
    `?${shown}=${percentEncoded(wrong(random))}`,
    '?',
    '?%',
    '?%ff=%zz',
    `?${name}=${percentEncoded(odd())}`,
    `?${name}=${odd()}`,
  ]);
  const whole = handshake(
    `${path}${query}`,
    random.pick([
      [],
      [`Origin: ${random.pick(['null', 'http://evil.example', 'http://gateway', odd()])}`],
      [
        `Sec-WebSocket-Protocol: ${random.pick(['passerelle', 'passerelle, a.b.c', ',,,', `passerelle,${odd()}`, `passerelle, ${wrong(random)}`])}`,
      ],
      ['Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8; client_max_window_bits'],
      [`Sec-WebSocket-Extensions: ${odd()}`],
      [`Authorization: ${random.pick(['Bearer', `Bearer ${wrong(random)}`, 'Basic YTpi', odd()])}`],
      ['Content-Length: 5', 'Transfer-Encoding: chunked'],
    ]),
  );
  const lines = whole.split('\r\n');
  const at = 1 + random.below(lines.length - 3);
  switch (random.below(4)) {
    case 0:
      lines.splice(at, 1);
      return lines.join('\r\n');
    case 1:
      lines[at] = (lines[at] ?? '').replace(/: .*/, `: ${odd()}`);
      return lines.join('\r\n');
    case 2:
      return mutatedBytes(random, Buffer.from(whole)).toString('latin1');
    default:
      return whole;
  }
}

/** One message, and whether it ends the connection by the rules. */
function message(random: Random, path: Path): { bytes: Buffer; ends: boolean } {
  const right = command(random, path);
  const kind = random.below(20);
  if (kind === 0)
    return {
      bytes: frame(random, { opcode: OPCODE.pong, payload: randomBytes(random, random.below(126)) }),
      ends: false,
    };
  if (kind === 1)
    return {
      bytes: frame(random, { opcode: OPCODE.ping, payload: randomBytes(random, random.below(126)) }),
      ends: false,
    };
  if (kind === 2)
    return {
      bytes: frame(random, { opcode: OPCODE.binary, payload: randomBytes(random, random.below(400)) }),
      ends: false,
    };
  let payload: Buffer;
  if (kind < 5) payload = Buffer.from(render(right));
  else if (kind < 15) payload = Buffer.from(render(mutated(random, kind < 12 ? right : mutated(random, right))));
  else if (kind < 18) payload = mutatedBytes(random, Buffer.from(render(right)));
  else payload = random.below(2) === 0 ? Buffer.from(oddText(random)) : randomBytes(random, random.below(60));
  const ends = payload.length > LARGEST || !isUtf8(payload) || (kind >= 5 && isAuth(right));
  const bytes = random.below(12) === 0 ? fragmented(random, payload) : frame(random, { opcode: OPCODE.text, payload });
  return { bytes, ends };
}

function text(random: Random, content: string): Buffer {
  return frame(random, { opcode: OPCODE.text, payload: Buffer.from(content) });
}

interface Shape {
  readonly opcode: number;
  readonly payload?: Buffer;
  readonly fin?: boolean;
  readonly masked?: boolean;
  readonly reserved?: number;
  /** The length that is told where it is not the payload's, and the bytes that it is told in. */
  readonly length?: bigint;
  readonly lengthBytes?: 1 | 2 | 8;
}

function frame(random: Random, shape: Shape): Buffer {
  const { opcode, payload = Buffer.alloc(0), fin = true, masked = true, reserved = 0 } = shape;
  const length = shape.length ?? BigInt(payload.length);
  const lengthBytes = shape.lengthBytes ?? (length < 126n ? 1 : length < 65_536n ? 2 : 8);
  const head = Buffer.alloc(1 + (lengthBytes === 1 ? 1 : 1 + lengthBytes));
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (lengthBytes === 1 ? Number(length & 0x7fn) : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) head.writeUInt16BE(Number(length & 0xffffn), 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(length & 0xffff_ffff_ffff_ffffn, 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(random, 4);
  const hidden = Buffer.allocUnsafe(payload.length);
  for (let i = 0; i < payload.length; i++) hidden[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return Buffer.concat([head, mask, hidden]);
}

/** A text message in pieces, at every byte where it is short, with control frames in between. */
function fragmented(random: Random, payload: Buffer): Buffer {
  const size = payload.length < 200 ? 1 : 1 + random.below(payload.length);
  const pieces: Buffer[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += size) {
    const opcode = at === 0 ? OPCODE.text : OPCODE.continuation;
    pieces.push(frame(random, { opcode, payload: payload.subarray(at, at + size), fin: at + size >= payload.length }));
    if (random.below(10) === 0) pieces.push(frame(random, { opcode: OPCODE.ping, payload: Buffer.from('p') }));
  }
  return Buffer.concat(pieces);
}

const LENGTHS = [
  0n,
  125n,
  126n,
  127n,
  65_535n,
  65_536n,
  65_537n,
  2_097_152n,
  2_097_153n,
  2n ** 31n,
  2n ** 32n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** What ends a connection, or should. */
function violation(random: Random): Buffer {
  const payload = random.pick([
    Buffer.alloc(0),
    Buffer.from('{"type":"ping"}'),
    randomBytes(random, random.below(200)),
  ]);
  const opcode = random.below(16);
  switch (random.below(13)) {
    case 0:
      return frame(random, { opcode, payload, masked: false });
    case 1:
      return frame(random, { opcode, payload, reserved: 1 + random.below(7) });
    case 2:
      return frame(random, { opcode: random.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), payload });
    case 3:
      return frame(random, { opcode: 8 + random.below(3), payload, fin: false });
    case 4:
      return frame(random, { opcode: 8 + random.below(3), payload: randomBytes(random, 126 + random.below(1_000)) });
    case 5:
      return frame(random, { opcode: OPCODE.continuation, payload, fin: random.below(2) === 0 });
    case 6: // a message that begins before the one before it has ended
      return Buffer.concat([
        frame(random, { opcode: OPCODE.text, payload, fin: false }),
        frame(random, { opcode: OPCODE.text, payload }),
      ]);
    case 7:
      return frame(random, { opcode, payload, length: random.pick(LENGTHS) });
    case 8:
      return frame(random, { opcode, payload, lengthBytes: random.pick([2, 8]), length: random.pick(LENGTHS) });
    case 9: {
      const code = Buffer.alloc(2);
      code.writeUInt16BE(
        random.pick([0, 999, 1_000, 1_004, 1_005, 1_006, 1_015, 1_016, 2_999, 3_000, 4_999, 5_000, 65_535]),
      );
      return frame(random, {
        opcode: OPCODE.close,
        payload: random.pick([
          code.subarray(0, 1),
          code,
          Buffer.concat([code, randomBytes(random, random.below(130))]),
        ]),
      });
    }
    case 10:
      return randomBytes(random, 1 + random.below(300));
    case 11: {
      const size = random.pick([65_537, 70_000, 2_097_153]);
      return random.below(8) === 0
        ? frame(random, { opcode: 1 + random.below(2), payload: Buffer.alloc(size, 120) })
        : frame(random, { opcode: OPCODE.text, payload: Buffer.of(0x22, 0xed, 0xa0, 0x80, 0x22) });
    }
    default:
      return mutatedBytes(random, frame(random, { opcode: OPCODE.text, payload: Buffer.from('{"type":"ping"}') }));
  }
}
