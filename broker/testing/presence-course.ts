/**
 * Random courses of joining and leaving, run beside a model that says what presence is about: who is there before and after a
 * step, and that the notices are the difference.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Joining, type Member, noticesOf } from '../presence.ts';
import { dataOf, fresh } from './events.ts';
import { asPrevious, byConnection, joining, LONG_LEASE_MS, memberOf, type Side } from './presence.ts';
import { until } from './until.ts';

/** One step. `which` counts the connections that were tried so far, from the latest; `by` is the gateway that is asked. */
export type PresenceStep =
  | {
      readonly do: 'join';
      readonly by: number;
      readonly user: string | null;
      readonly name: string;
      readonly claim: boolean;
      readonly announce: boolean;
      readonly previous: number | undefined;
      readonly honest: boolean;
    }
  | { readonly do: 'rejoin'; readonly by: number; readonly which: number; readonly name: string }
  | { readonly do: 'part' | 'leave'; readonly by: number; readonly which: number }
  | { readonly do: 'rename'; readonly by: number; readonly which: number; readonly name: string }
  | { readonly do: 'die'; readonly by: number }
  | { readonly do: 'remove' };

const by = fc.nat(2);
const which = fc.nat(6);
const name = fc.constantFrom('x', 'y', 'Y', 'z');

export const presenceStep: fc.Arbitrary<PresenceStep> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('join'),
      by,
      user: fc.constantFrom(null, null, 'ann', 'bob'),
      name,
      claim: fc.boolean(),
      announce: fc.constantFrom(true, true, true, false),
      previous: fc.option(which, { nil: undefined }),
      honest: fc.constantFrom(true, true, true, false),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rejoin'), by, which, name }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constantFrom('part', 'leave'), by, which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rename'), by, which, name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die'), by }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove') }) },
);

interface Present {
  readonly member: Joining;
  readonly parted: boolean;
  /** Who this is to others: the user, or for an anonymous one its first connection, whose place the later ones took. */
  readonly self: string;
}

/** The name of a notice and its data. */
type Line = string;

export class PresenceRun {
  readonly channel: string;
  readonly #sides: readonly Side[];
  /** The names under which the gateways go on: one that died is another one afterwards. */
  readonly #gateways: string[];
  readonly #dead = new Set<string>();
  readonly #tried: Joining[] = [];
  readonly #markers: string[] = [];
  readonly #expected: Line[][] = [];
  #present: readonly Present[] = [];

  private constructor(sides: readonly Side[], channel: string, gateways: string[]) {
    this.#sides = sides;
    this.channel = channel;
    this.#gateways = gateways;
  }

  static async begin(sides: readonly Side[], channel: string): Promise<PresenceRun> {
    const gateways = sides.map(() => fresh('gw'));
    const [first] = sides;
    assert.ok(first);
    for (const gateway of gateways) await first.presence.renewLease(gateway, LONG_LEASE_MS);
    await first.broker.subscribe(noticesOf(channel));
    return new PresenceRun(sides, channel, gateways);
  }

  async take(step: PresenceStep): Promise<void> {
    const before = this.#present;
    const renamed = await this.#do(step);
    const lines = difference(before, this.#present, renamed);
    this.#expected.push(comparable(step.do, lines));
    const { broker, presence } = this.#side('by' in step ? step.by : 0);
    const marker = `${step.do}-${this.#markers.length}`;
    this.#markers.push(marker);
    await broker.publish(noticesOf(this.channel), { name: marker, data: 'null' });
    const { members, more } = await presence.members(this.channel, 100);
    assert.equal(more, false);
    assert.deepEqual(byConnection(members), this.#list());
  }

  /** Everybody leaves; then what was told at each step is compared. */
  async end(): Promise<void> {
    for (const { connection } of this.#present.map(({ member }) => member)) {
      const which = this.#tried.length - 1 - this.#tried.findIndex((each) => each.connection === connection);
      await this.take({ do: 'leave', by: 1, which });
    }
    await this.take({ do: 'remove' });
    const { broker, heard } = this.#side(0);
    const carrier = noticesOf(this.channel);
    const last = this.#markers.at(-1);
    await until('the last step is told', () => heard.of(carrier).some(({ name }) => name === last));
    await broker.unsubscribe(carrier);
    const told: Line[][] = [[]];
    for (const event of heard.of(carrier)) {
      if (this.#markers.includes(event.name)) told.push([]);
      else told.at(-1)?.push(`${event.name} ${dataOf(event)}`);
    }
    told.pop();
    const compared = told.map((lines, i) => comparable(this.#markers[i] ?? '', lines));
    assert.deepEqual(compared, this.#expected);
    assertAlternating(told.flat());
  }

  /** Does it on the engine and in the model. Returns the member that got another name, and its old one. */
  async #do(step: PresenceStep): Promise<Renamed | undefined> {
    switch (step.do) {
      case 'join': {
        const { user, name, announce } = step;
        const previous = step.previous === undefined ? undefined : this.#at(step.previous);
        const member = joining(
          { gateway: this.#gateways[step.by] ?? '' },
          {
            ...(previous === undefined ? {} : asPrevious(step.honest ? previous : { ...previous, secret: 'guessed' })),
            ...{ user, name, announce, claim: step.claim ? name.toLowerCase() : undefined },
          },
        );
        this.#tried.push(member);
        return this.#join(step.by, member);
      }
      case 'rejoin': {
        const known = this.#at(step.which);
        // Once it is no member it would come as a new one, which is what `join` is for.
        if (known === undefined || this.#find(known.connection) === undefined) return undefined;
        const gateway = this.#gateways[step.by] ?? '';
        const { claim, ...rest } = known;
        return this.#join(step.by, {
          ...rest,
          name: step.name,
          claim: claim === undefined ? undefined : step.name.toLowerCase(),
          gateway,
        });
      }
      case 'part': {
        const connection = this.#at(step.which)?.connection ?? fresh('c');
        await this.#side(step.by).presence.part(this.channel, connection);
        this.#present = this.#present.map((each) =>
          each.member.connection === connection ? { ...each, parted: true } : each,
        );
        return undefined;
      }
      case 'leave': {
        const connection = this.#at(step.which)?.connection ?? fresh('c');
        await this.#side(step.by).presence.leave(this.channel, connection);
        this.#present = this.#present.filter(({ member }) => member.connection !== connection);
        return undefined;
      }
      case 'rename':
        return this.#rename(step.by, this.#at(step.which)?.connection ?? fresh('c'), step.name);
      case 'die': {
        const gateway = this.#gateways[step.by] ?? '';
        const { presence } = this.#side(step.by);
        await presence.endLease(gateway);
        this.#dead.add(gateway);
        const next = fresh('gw');
        this.#gateways[step.by] = next;
        await presence.renewLease(next, LONG_LEASE_MS);
        return undefined;
      }
      case 'remove': {
        const counts = await Promise.all(this.#sides.map(({ presence }) => presence.removeDead()));
        assert.equal(
          counts.reduce((sum, count) => sum + count),
          this.#dead.size,
        );
        this.#present = this.#present.filter(({ member }) => !this.#dead.has(member.gateway));
        this.#dead.clear();
        return undefined;
      }
    }
  }

  async #join(by: number, member: Joining): Promise<Renamed | undefined> {
    const own = this.#find(member.connection);
    const known = member.previous && this.#find(member.previous.connection);
    const previous = known !== own && known?.member.secret === member.previous?.secret ? known : undefined;
    const claim = this.#claim(member, [own, previous]);
    assert.equal(await this.#side(by).presence.join(this.channel, member), claim.free);
    if (!claim.free) return undefined;
    const alike = (each: Present | undefined) =>
      each?.member.user === member.user && each.member.announce === member.announce;
    const place = own ?? [previous, claim.giver].find(alike);
    const self = member.user ?? (place?.self || member.connection);
    this.#present = this.#present.filter((each) => ![own, previous, claim.giver].includes(each));
    this.#present = [...this.#present, { member, parted: false, self }];
    return own === undefined && place !== undefined ? { member, old: place.member.name } : undefined;
  }

  async #rename(by: number, connection: string, name: string): Promise<Renamed | undefined> {
    const own = this.#find(connection);
    const claim = name.toLowerCase();
    const { free, giver } = own ? this.#claim({ ...own.member, claim }, [own]) : { free: false };
    assert.equal(await this.#side(by).presence.rename(this.channel, connection, name, claim), free);
    if (!free || own === undefined) return undefined;
    const member = { ...own.member, name, claim };
    this.#present = this.#present
      .filter((each) => each !== giver)
      .map((each) => (each === own ? { ...each, member } : each));
    return { member, old: own.member.name };
  }

  #claim(asking: Joining, own: readonly (Present | undefined)[]): { free: boolean; giver?: Present } {
    const holders = this.#present.filter(
      (each) => asking.claim !== undefined && each.member.claim === asking.claim && !own.includes(each),
    );
    const [giver] = holders;
    if (giver === undefined || holders.every(({ member }) => member.user !== null && member.user === asking.user))
      return { free: true };
    return giver.member.user === null && giver.parted ? { free: true, giver } : { free: false };
  }

  #list(): Member[] {
    return byConnection(this.#present.map(({ member }) => memberOf(member))).filter(
      ({ gateway }) => !this.#dead.has(gateway),
    );
  }

  #find(connection: string): Present | undefined {
    return this.#present.find(({ member }) => member.connection === connection);
  }

  #at(which: number): Joining | undefined {
    return this.#tried.at(-1 - which);
  }

  #side(by: number): Side {
    const side = this.#sides[by];
    assert.ok(side);
    return side;
  }
}

interface Renamed {
  readonly member: Joining;
  readonly old: string | null;
}

/** What is to be told of a change: first who is no longer there, then who is there now, or under which name. */
function difference(before: readonly Present[], after: readonly Present[], renamed: Renamed | undefined): Line[] {
  const announced = (all: readonly Present[]) => all.filter(({ member }) => member.announce);
  const missing = (all: readonly Present[], from: readonly Present[]) =>
    announced(all).filter(({ self }, i, mine) => {
      const isLast = mine.findLastIndex((each) => each.self === self) === i;
      return isLast && !announced(from).some((each) => each.self === self);
    });
  const line = (notice: string, { connection, user, name }: Joining, more: object = {}) =>
    `${notice} ${JSON.stringify({ connection, user, name, ...more })}`;
  return [
    ...missing(before, after).map(({ member }) => line('left', member)),
    ...missing(after, before).map(({ member }) => line('joined', member)),
    ...(renamed?.member.announce && renamed.member.name !== renamed.old
      ? [line('renamed', renamed.member, { old: renamed.old })]
      : []),
  ];
}

/** Of those who leave together no order is promised, and of those who are removed not which of a user's connections is the last. */
function comparable(step: string, lines: readonly Line[]): Line[] {
  const hasLeft = (line: Line) => line.startsWith('left ');
  const left = lines.filter(hasLeft);
  const told = step.startsWith('remove')
    ? left.map((line) => line.replace(/"connection":"[^"]*","user":"(\w+)".*/, '$1'))
    : left;
  return [...told.sort(), ...lines.filter((line) => !hasLeft(line))];
}

/** No user joins twice without having left, nor the other way round. */
function assertAlternating(lines: readonly Line[]): void {
  for (const user of ['ann', 'bob']) {
    const mine = lines.filter((line) => line.includes(`"user":"${user}"`) && !line.startsWith('renamed'));
    mine.forEach((line, i) => {
      assert.ok(line.startsWith(i % 2 ? 'left' : 'joined'), lines.join('\n'));
    });
  }
}
