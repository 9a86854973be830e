/**
 * Runs scripts so that the calls about one key are done in the order in which they were made, also where Redis has forgotten a script: after
 * SCRIPT FLUSH, on a promoted replica, at the first use on a node.
 *
 * A call that is refused for that (NOSCRIPT) did nothing and is sent again, whole. By then later calls about the key are under way, and
 * would overtake it: some are refused as well, and one that is made only now would find the script. So the key is held: what was refused
 * gathers in its order, new calls wait, and when all that was sent before is answered everything goes out again in order.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Script, Send } from './script.ts';

interface Call {
  readonly script: Script;
  readonly rest: (string | number)[];
  resolve(reply: unknown): void;
  reject(error: unknown): void;
}

/** Of one key. As bounded as calls under way are, which all of these are to the gate. */
interface Hold {
  /** In the order of their refusals, which is that of the calls. */
  readonly refused: Call[];
  /** Made since. */
  readonly later: Call[];
}

export class OrderedCalls {
  readonly #send: Send;
  readonly #holds = new Map<string, Hold>();
  /** In place of scripts that were forgotten once: the same under a hash of this gateway's own. */
  readonly #own = new Map<Script, Script>();
  readonly #instance = randomUUID();

  constructor(send: Send) {
    this.#send = send;
  }

  /** Runs a script of which `keys` are the keys; its order is that of the first one. */
  run(script: Script, keys: readonly [string, ...string[]], args: readonly (string | number)[]): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    const hold = this.#holds.get(keys[0]);
    if (hold !== undefined) return waiting(hold.later, script, rest);
    const { sha } = this.#own.get(script) ?? script;
    return this.#send('EVALSHA', [sha, ...rest]).catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return waiting(this.#hold(keys[0]).refused, script, rest);
    });
  }

  #hold(key: string): Hold {
    const known = this.#holds.get(key);
    if (known !== undefined) return known;
    const hold: Hold = { refused: [], later: [] };
    this.#holds.set(key, hold);
    // Answered after all that was sent before it about this key, as that went by the same connection.
    const barrier = this.#send('EXISTS', [key]);
    const release = () => this.#release(key, hold);
    barrier.then(release, release);
    return hold;
  }

  #release(key: string, hold: Hold): void {
    // To send may itself bring calls that waited for others to go with: they join the end of what is walked here.
    for (const calls of [hold.refused, hold.later])
      for (const { script, rest, resolve, reject } of calls)
        this.#send('EVAL', [this.#ownOf(script).source, ...rest]).then(resolve, reject);
    this.#holds.delete(key);
  }

  /** Another gateway could teach Redis the common script between two calls that are under way; this one none can but this gateway. */
  #ownOf(script: Script): Script {
    let own = this.#own.get(script);
    if (own === undefined) {
      const source = `${script.source}\n-- ${this.#instance}\n`;
      own = { source, sha: createHash('sha1').update(source).digest('hex') };
      this.#own.set(script, own);
    }
    return own;
  }
}

function waiting(calls: Call[], script: Script, rest: (string | number)[]): Promise<unknown> {
  return new Promise((resolve, reject) => calls.push({ script, rest, resolve, reject }));
}
