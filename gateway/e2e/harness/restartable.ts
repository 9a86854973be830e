/** A gateway that is ended and started again on its port, as clients of one address see it. */
import { ports } from '../../../broker/testing/ports.ts';
import { type GatewayOptions, GatewayProcess } from './processes.ts';

type Options = Pick<GatewayOptions, 'onLine' | 'startLimitMs'>;

export class RestartableGateway {
  readonly #env: Readonly<Record<string, string>>;
  readonly #options: Options;
  #process: GatewayProcess;

  private constructor(process: GatewayProcess, env: Readonly<Record<string, string>>, options: Options) {
    this.#process = process;
    this.#env = env;
    this.#options = options;
  }

  /** `options` hold for each of its processes. */
  static async start(given: Readonly<Record<string, string>>, options: Options = {}): Promise<RestartableGateway> {
    // Not one that the gateway is given for PORT=0: uWS then sets no SO_REUSEADDR, and a port whose connections the server has closed stays
    // taken for a minute.
    const env = { ...given, PORT: String(await ports.free()) };
    return new RestartableGateway(await GatewayProcess.start({ ...options, env }), env, options);
  }

  get url(): string {
    return this.#process.url;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.running;
  }

  /** The last lines of the process of now. */
  get log(): string {
    return this.#process.log;
  }

  /** Resolves when it is gone, with its exit code. By SIGTERM it may take as long as it needs, up to the limit. */
  async end(signal: 'SIGTERM' | 'SIGKILL', limitMs = 30_000): Promise<number | null> {
    if (signal === 'SIGTERM') return this.#process.stop(limitMs);
    await this.#process.kill();
    return null;
  }

  /** Resolves when it listens again. */
  async start(): Promise<void> {
    this.#process = await GatewayProcess.start({ ...this.#options, env: this.#env });
  }
}
