/** Runs the gateway as several processes that share its port: this one finds the port, starts them, answers on the internal port for all of them, and ends with them. */
import { fork } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { Registry } from 'prom-client';
import { sharedFigures } from '../figures/figures.ts';
import { json, type Routes } from '../http/api.ts';
import { hostsBehind } from '../http/hosts.ts';
import { InternalPort } from '../http/internal-port.ts';
import { figureRoutes } from '../http/internal-routes.ts';
import { createProcessLogger } from '../log.ts';
import type { Config } from '../settings/config.ts';
import type { Environment } from '../settings/setting.ts';
import { announce, fail } from '../terminal.ts';
import { refusedBecause } from '../tls/refused-port.ts';
import { Supervisor } from './supervisor.ts';

/** `program` is what each of them runs, with the argument `worker`. */
export function supervise(config: Config, env: Environment, program: string): void {
  const { host, port } = config;
  // They would share it with whoever else has it. To share it at all they have to be told which one it is.
  const probe = createServer();
  probe.once('error', (error) => fail([refusedBecause(error, { host, port })]));
  probe.listen(port, host, () => {
    const address = probe.address() as AddressInfo;
    probe.close(() => void startWorkers(config, env, program, address.port));
  });
}

async function startWorkers(config: Config, env: Environment, program: string, port: number): Promise<void> {
  const { gatewayId, workers: count, logLevel, internalPort, internalHost: host } = config;
  const log = createProcessLogger({ level: logLevel, gateway: gatewayId });
  let internal: number | undefined;
  const supervisor = new Supervisor({
    count,
    log,
    fork: (number) =>
      fork(program, ['worker'], {
        env: { ...env, WORKERS: '1', PORT: String(port), GATEWAY_ID: `${gatewayId}-${number}` },
        detached: true, // a signal of the terminal's comes once, from here
      }),
    onListening: () => announce(config, port, internal),
    onEnd: (code) => process.exit(code),
  });
  if (internalPort !== undefined) {
    const routes = routesFor(supervisor, gatewayId);
    const listening = await new InternalPort({
      host,
      port: internalPort,
      routes,
      hostAllowed: hostsBehind(host),
      log,
    }).listen();
    if (!listening.ok) {
      fail([listening.error]);
      return;
    }
    internal = listening.port;
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => supervisor.stop(signal));
  supervisor.start();
}

/** What this process answers for its workers. It is alive while one of them answers it: where none does, starting anew is all that helps. */
function routesFor(supervisor: Supervisor, gatewayId: string): Routes {
  const alive = async () => (await supervisor.ask('readiness')).some((answer) => answer !== null);
  return {
    '/healthz': {
      GET: async () =>
        (await alive()) ? json(200, { status: 'ok' }) : json(503, { status: 'dead', reason: 'No worker answers.' }),
    },
    ...figureRoutes(sharedFigures(supervisor, gatewayId, Registry.PROMETHEUS_CONTENT_TYPE)),
  };
}
