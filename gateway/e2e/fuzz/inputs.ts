/**
 * What a fuzzer writes into JSON and bytes: values of the wrong kind, odd numbers and strings, trees with members gone, doubled
 * or renamed, bytes flipped, cut and doubled. Pure: all of it is drawn from the `Random` that is passed in. It knows no protocol.
 */
import type { Random } from '../harness/plan.ts';

/** A JSON value that may hold what `JSON.stringify` would never write. */
export type Tree = null | boolean | number | string | readonly Tree[] | Fields | Raw;

/** Text that stands in the JSON as it is. */
export class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An object as a list of its members: names may stand twice, and `__proto__` is a name like any other. */
export class Fields {
  readonly members: readonly (readonly [name: string, value: Tree])[];

  constructor(members: readonly (readonly [name: string, value: Tree])[]) {
    this.members = members;
  }

  /** Members that are undefined are left out. */
  static of(object: Readonly<Record<string, Tree | undefined>>): Fields {
    return new Fields(Object.entries(object).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  }
}

export function render(tree: Tree): string {
  if (tree instanceof Raw) return tree.text;
  if (tree instanceof Fields)
    return `{${tree.members.map(([name, value]) => `${JSON.stringify(name)}:${render(value)}`).join(',')}}`;
  if (typeof tree === 'object' && tree !== null) return `[${tree.map(render).join(',')}]`;
  return JSON.stringify(tree);
}

/** The same tree with one thing wrong in it, at any depth. */
export function mutated(random: Random, tree: Tree): Tree {
  if (tree instanceof Fields && tree.members.length > 0) return mutatedFields(random, tree.members);
  if (isList(tree) && tree.length > 0 && random.below(3) > 0) {
    const at = random.below(tree.length);
    return tree.map((each: Tree, index) => (index === at ? mutated(random, each) : each));
  }
  return odd(random);
}

/** `Array.isArray` does not know read-only lists. */
function isList(tree: Tree): tree is readonly Tree[] {
  return Array.isArray(tree);
}

function mutatedFields(random: Random, members: Fields['members']): Tree {
  const at = random.below(members.length);
  const [name, value] = members[at] ?? ['', null];
  const others = members.filter((_member, index) => index !== at);
  switch (random.below(12)) {
    case 0:
      return new Fields(others);
    case 1:
      return new Fields([...members, [name, odd(random)]]);
    case 2:
      return new Fields([[random.pick(NAMES), odd(random)], ...members]);
    case 3:
      return new Fields([...others, [oddText(random), value]]);
    case 4:
      return random.pick([[new Fields(members)], Fields.of({ value: new Fields(members) }), odd(random)]);
    default:
      return new Fields(
        members.map(([each, old], index) => (index === at ? [each, mutated(random, old)] : [each, old])),
      );
  }
}

/** Names that mean something to JavaScript, to a promise, or to the protocol. */
const NAMES = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'toJSON', 'then', 'length'],
  ...['', '0', '-1', 'type', 'ref', 'channel', 'data', 'id', 'key', 'after', 'limit', '\u0000', '\ufeff'],
];

const NUMBERS = [
  ...[
    '0',
    '-0',
    '-1',
    '1.5',
    '1e999',
    '-1e999',
    '1e-999',
    '9007199254740993',
    '2147483648',
    '-2147483649',
    '4294967296',
  ],
  ...['18446744073709551616', '0.1e1', '1E+2', '5e-324', '1.7976931348623157e308', `${'9'.repeat(400)}`],
  ...['NaN', 'Infinity', '01', '+1', '.5', '1.', '0x10', '1_000', '1n'],
];

/** Escapes that make a string of no well-formed characters, and other things that no parser should trip over. */
const RAW_TEXTS = [
  ...[
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"a\\udfffb"',
    '"\\u0000"',
    '"\\u202e"',
    '"\\x41"',
    '"\\u12"',
    '"',
    "'a'",
    '"\t"',
  ],
  ...[
    'undefined',
    'nul',
    'truefalse',
    '{',
    ']',
    '{"a"}',
    '[1,]',
    '{"a":1,}',
    '/**/1',
    '',
    ' ',
    '{"__proto__":{"type":"ping"}}',
    '{"length":{"valueOf":1,"toString":1}}',
    '{"length":3,"valueOf":null,"toString":null,"toJSON":1}',
  ],
];

const TEXTS = [
  ...[
    '',
    ' ',
    '*',
    '**',
    '@',
    ':',
    '.',
    '..',
    '../../etc/passwd',
    '%00',
    '%',
    '0-0',
    '1-1',
    '-1',
    '9-9',
    '0-0.0-0',
    '~0-0',
  ],
  ...[
    '999999999999999-999999999999999',
    '1000000000000000-0',
    '01-1',
    '1-',
    '+',
    '$',
    '>',
    'a b',
    'a,b',
    'a\nb',
    'data: x\n\n',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    '__proto__:x',
    'constructor:a',
    'notify:@',
    'notify:@me',
    'chat:',
    'gap',
    'end',
  ],
  ...[
    '\u0000',
    '\u2028',
    '\ufeff',
    '\u202eevil',
    '\u200b',
    'é',
    'é',
    '👩‍👩‍👧‍👦',
    '𝄞',
    '\ud834',
    'ﬃ',
    'İ',
    'ß',
    '\u0301'.repeat(50),
  ],
  ...[
    'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.',
    'eyJhbGciOiJIUzI1NiJ9.e30.AAAA',
    'a.b.c',
    '..',
    'EVAL',
    '*1\r\n$4\r\nPING\r\n',
  ],
];

const LENGTHS = [1, 19, 20, 21, 64, 65, 119, 120, 123, 128, 129, 200, 201, 255, 256, 1_000, 4_096, 20_000];
const DEPTHS = [2, 10, 98, 99, 100, 101, 102, 500, 3_000, 12_000];

/** Text that is too long, too short, of strange characters, or means something elsewhere. Lone surrogates occur. */
export function oddText(random: Random): string {
  switch (random.below(8)) {
    case 0:
      return random.pick(['a', 'é', '👍', '\u0301', '"', '\\', '\u0000', '.']).repeat(rarelyLarge(random, LENGTHS));
    case 1:
      return String.fromCharCode(...Array.from({ length: 1 + random.below(12) }, () => random.below(0x10000)));
    case 2:
      return random.pick(NAMES);
    case 3:
      return `${random.below(10 ** 9)}-${random.below(1_000)}`;
    default:
      return random.pick(TEXTS);
  }
}

/** A value of some other kind than was asked for. */
export function odd(random: Random): Tree {
  switch (random.below(9)) {
    case 0:
      return new Raw(random.pick(NUMBERS));
    case 1:
      return new Raw(random.pick(RAW_TEXTS));
    case 2:
      return random.pick([null, true, false, [], new Fields([])]);
    case 3:
      return nested(random);
    case 4:
      return new Fields([[random.pick(NAMES), odd(random)]]);
    case 5:
      return Array.from({ length: 1 + random.below(4) }, () => odd(random));
    case 6:
      return random.below(20) === 0
        ? new Fields(Array.from({ length: 1_000 }, (_none, index) => [`k${index}`, index]))
        : new Raw(random.pick(NUMBERS));
    default:
      return oddText(random);
  }
}

function nested(random: Random): Raw {
  const depth = rarelyLarge(random, DEPTHS);
  const [open, close] = random.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['[[],', ']'],
  ] as const);
  const closed = random.below(8) === 0 ? random.below(depth) : depth;
  return new Raw(`${open.repeat(depth)}1${close.repeat(closed)}`);
}

/** One of the sizes, of which the later ones come seldom: many small inputs find more than few large ones. */
function rarelyLarge(random: Random, sizes: readonly number[]): number {
  const small = random.below(12) > 0;
  return sizes[random.below(small ? sizes.length - 3 : sizes.length)] ?? 1;
}

export function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = random.below(256);
  return bytes;
}

/** A few bytes flipped, overwritten, cut out, put in or doubled. */
export function mutatedBytes(random: Random, original: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(bytes.length + 1);
    const length = random.below(Math.min(8, bytes.length - at + 1));
    switch (random.below(5)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        if (at < bytes.length)
          bytes[at] = random.pick([0, 9, 10, 13, 32, 34, 44, 58, 91, 92, 123, 127, 128, 192, 237, 255]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), randomBytes(random, 1 + random.below(4)), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at)]);
    }
  }
  return bytes;
}

/** As it may stand in a query; half a surrogate becomes the replacement character. */
export function percentEncoded(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}

/** Without what would end a line, and no longer than `limit`. */
export function oneLine(text: string, limit = 500): string {
  return text
    .replace(/\p{Cc}/gu, '')
    .trim()
    .slice(0, limit);
}
