/** The program: reads the arguments and the environment, opens the broker, and starts a gateway, or the workers that are one each. */

import './uws-environment.ts'; // first: it must run before uWebSockets.js is loaded

import { fileURLToPath } from 'node:url';
import { nanoid } from 'nanoid';
import { Tally } from './figures/tally.ts';
import { createProcessLogger } from './log.ts';
import { createGateway } from './server/gateway.ts';
import { faultOfRedisUrl, openBroker } from './server/open-broker.ts';
import { dieOf, stopper } from './server/shutdown.ts';
import { type Config, environment, loadConfig } from './settings/config.ts';
import type { Environment } from './settings/setting.ts';
import { helpText, packageVersion, parseArguments } from './settings/usage.ts';
import { announce, fail, print } from './terminal.ts';
import { processChannel } from './workers/colleagues.ts';
import { supervise } from './workers/supervise.ts';

/** What each worker runs. */
const PROGRAM = fileURLToPath(new URL('./main.js', import.meta.url));

main();

function main(): void {
  const args = parseArguments(process.argv.slice(2));
  if (!args.ok) fail([args.error]);
  else if (args.command === 'help') print(helpText());
  else if (args.command === 'version') print(packageVersion());
  else startFrom(environment(), args.command === 'worker');
}

function startFrom(env: Environment, isWorker: boolean): void {
  const loaded = loadConfig(env, { generateId: () => nanoid(10), checkRedisUrl: faultOfRedisUrl });
  if (!loaded.ok) fail(loaded.faults);
  else if (loaded.config.workers > 1) supervise(loaded.config, env, PROGRAM);
  else void start(loaded.config, isWorker);
}

/** `isWorker`: others share its port, and it is one that started them that hears how it goes. */
async function start(config: Config, isWorker: boolean): Promise<void> {
  const log = createProcessLogger({ level: config.logLevel, gateway: config.gatewayId });
  process.on('unhandledRejection', (err) => dieOf(err, log));
  process.on('uncaughtException', (err) => dieOf(err, log));

  const tally = new Tally();
  const supervisor = isWorker ? processChannel() : undefined;
  const gateway = createGateway(config, openBroker(config, { log, tally }), { log, tally, supervisor });
  const listening = await gateway.listen();
  if (!listening.ok) {
    fail([listening.error]);
    return;
  }
  const stop = stopper({ gateway, isWorker, log });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  supervisor?.onEnd(() => stop('SIGTERM')); // nobody would end it, nor start it again
  // Last: whoever reads it may at once do anything to this process.
  if (supervisor === undefined) announce(config, listening.port, listening.internalPort);
  else supervisor.send({ type: 'listening' });
}
