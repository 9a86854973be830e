/** Two gateways on one Redis, ready and known to each other: what most tests of the applications run on. */
import { type RedisDeployment, startStandalone } from '../../../broker/redis/testing/servers.ts';
import { until } from '../../../broker/testing/until.ts';
import { call } from './http-client.ts';
import { GatewayProcess } from './processes.ts';

export interface TwoGateways {
  readonly redis: RedisDeployment;
  readonly a: GatewayProcess;
  readonly b: GatewayProcess;
  /** One more on the same Redis; whoever starts it ends it. */
  another(more?: Readonly<Record<string, string>>): Promise<GatewayProcess>;
  stop(): Promise<void>;
}

export async function startTwoGateways(env: Readonly<Record<string, string>> = {}): Promise<TwoGateways> {
  const redis = await startStandalone();
  const another = async (more: Readonly<Record<string, string>> = {}) => {
    const gateway = await GatewayProcess.start({ env: { REDIS_URL: redis.url, ...env, ...more } });
    await until('it is ready', async () =>
      (await call(`${gateway.url}/stats`)).text.includes('"broker":{"ready":true}'),
    );
    return gateway;
  };
  const [a, b] = await Promise.all([another(), another()]);
  const stop = async () => {
    await Promise.all([a.kill(), b.kill()]);
    await redis.stop();
  };
  return { redis, a, b, another, stop };
}
