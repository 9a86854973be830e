/** Runs the gateway as several processes that share its port: this one finds the port, starts them, and ends with them. */
import { fork } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { createLogger } from '../log.ts';
import type { Config } from '../settings/config.ts';
import type { Environment } from '../settings/setting.ts';
import { announce, fail } from '../terminal.ts';
import { Supervisor } from './supervisor.ts';

/** `program` is what each of them runs, with the argument `worker`. */
export function supervise(config: Config, env: Environment, program: string): void {
  const { host, port } = config;
  // They would share it with whoever else has it. To share it at all they have to be told which one it is.
  const probe = createServer();
  probe.once('error', () =>
    fail([`Cannot listen on ${host}:${port}: the port is taken, or the address is not this machine's`]),
  );
  probe.listen(port, host, () => {
    const address = probe.address() as AddressInfo;
    probe.close(() => startWorkers(config, env, program, address.port));
  });
}

function startWorkers(config: Config, env: Environment, program: string, port: number): void {
  const { gatewayId, workers: count, logLevel } = config;
  const log = createLogger({ level: logLevel, gateway: gatewayId });
  const supervisor = new Supervisor({
    count,
    log,
    fork: (number) =>
      fork(program, ['worker'], {
        env: { ...env, WORKERS: '1', PORT: String(port), GATEWAY_ID: `${gatewayId}-${number}` },
        detached: true, // a signal of the terminal's comes once, from here
      }),
    onListening: () => announce(config, port),
    onEnd: (code) => process.exit(code),
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => supervisor.stop(signal));
  supervisor.start();
}
