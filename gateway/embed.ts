/** What an application imports as `passerelle`: a gateway in its own process. */
import './fitting-node.ts'; // first: it must run before uWebSockets.js is loaded

import { nanoid } from 'nanoid';
import { Tally } from './figures/tally.ts';
import { createLogger } from './log.ts';
import { createGateway as assemble } from './server/gateway.ts';
import type { Gateway } from './server/handle.ts';
import { faultOfRedisUrl, openBroker } from './server/open-broker.ts';
import { loadConfig, SETTINGS } from './settings/config.ts';
import type { Settings } from './settings/declared.ts';
import { type Environment, quote } from './settings/setting.ts';

export type { Drained, Gateway, Listening } from './server/handle.ts';
export type { Settings } from './settings/declared.ts';

/** Settings that cannot be used. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  /** Each fault as a sentence that says how to mend it. None shows a secret. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`These settings cannot be used:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.faults = faults;
  }
}

/**
 * Puts together a gateway that runs in this process, and that does nothing before `listen`. Several can run beside each other.
 *
 * The settings are those of the program, by the names of its environment variables; what is not given has its default. The environment itself is
 * not read: `settingsFrom(process.env)` takes them from there. It logs to standard output, by `LOG_LEVEL`.
 *
 * Throws a `SettingsError` that lists every fault, also of a name that is no setting.
 */
export function createGateway(settings: Settings = {}): Gateway {
  const { env, faults } = environmentOf(settings);
  const loaded = loadConfig(env, { generateId: () => nanoid(10), checkRedisUrl: faultOfRedisUrl });
  if (!loaded.ok) throw new SettingsError([...faults, ...loaded.faults]);
  if (faults.length > 0) throw new SettingsError(faults);
  const { config } = loaded;
  const log = createLogger({ level: config.logLevel, gateway: config.gatewayId });
  const tally = new Tally();
  return assemble(config, openBroker(config, { log, tally }), { log, tally });
}

/** Those of the variables that are settings of a gateway in one process. */
export function settingsFrom(environment: Readonly<Record<string, string | undefined>>): Settings {
  return Object.fromEntries([...KNOWN].map((name) => [name, environment[name]]));
}

/** A program that is one gateway has no workers. */
const OF_THE_PROGRAM: ReadonlySet<string> = new Set([SETTINGS.workers.name]);
const KNOWN: ReadonlySet<string> = new Set(
  Object.values(SETTINGS)
    .map(({ name }) => name)
    .filter((name) => !OF_THE_PROGRAM.has(name)),
);

/** The settings as the variables that they would be. */
function environmentOf(settings: Settings): { readonly env: Environment; readonly faults: readonly string[] } {
  const env: Record<string, string> = {};
  const faults: string[] = [];
  for (const [name, value] of Object.entries<unknown>({ ...settings })) {
    if (OF_THE_PROGRAM.has(name))
      faults.push(`${name} is a setting of the program only: this process is one gateway. Leave it out.`);
    else if (!KNOWN.has(name)) faults.push(`${quote(name)} is no setting. Correct it, or leave it out.`);
    else if (value === undefined) continue;
    else if (typeof value === 'string' || typeof value === 'number') env[name] = String(value);
    else if (typeof value === 'boolean') env[name] = value ? 'on' : 'off';
    else faults.push(`${name} is neither text nor a number, true or false. Correct it, or leave it out.`);
  }
  return { env, faults };
}
