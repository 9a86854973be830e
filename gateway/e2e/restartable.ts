/** A gateway that is ended and started again on its port, as clients of one address see it. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { GatewayProcess } from './processes.ts';

/**
 * Below the ports that the kernel gives out by itself, so that nobody gets this one while the gateway is away. It can't be one
 * that the gateway was given for PORT=0 either: uWS then sets no SO_REUSEADDR, and a port whose connections the server
 * has closed stays taken for a minute.
 */
const PORTS = { from: 10_000, to: 32_767 };

export class RestartableGateway {
  readonly #env: Readonly<Record<string, string>>;
  #process: GatewayProcess;

  private constructor(process: GatewayProcess, env: Readonly<Record<string, string>>) {
    this.#process = process;
    this.#env = env;
  }

  static async start(given: Readonly<Record<string, string>>): Promise<RestartableGateway> {
    const env = { ...given, PORT: String(await freePort()) };
    return new RestartableGateway(await GatewayProcess.start({ env }), env);
  }

  get url(): string {
    return this.#process.url;
  }

  /** Resolves when it is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (signal === 'SIGKILL') await this.#process.kill();
    else await this.#process.stop();
  }

  /** Resolves when it listens again. */
  async start(): Promise<void> {
    this.#process = await GatewayProcess.start({ env: this.#env });
  }
}

async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (await canListen(port)) return port;
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
