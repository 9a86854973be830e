/** Two gateways on one Redis, ready and known to each other: what most tests of the applications run on. */
import { type RedisDeployment, startStandalone } from '../../../broker/redis/testing/servers.ts';
import { until } from '../../../broker/testing/until.ts';
import { call } from './http-client.ts';
import { GatewayProcess } from './processes.ts';

export interface TwoGateways {
  readonly redis: RedisDeployment;
  readonly a: GatewayProcess;
  readonly b: GatewayProcess;
  /** One more on the same Redis; it ends with the others, or before. */
  another(more?: Readonly<Record<string, string>>): Promise<GatewayProcess>;
  stop(): Promise<void>;
}

export async function startTwoGateways(env: Readonly<Record<string, string>> = {}): Promise<TwoGateways> {
  const redis = await startStandalone();
  const started: GatewayProcess[] = [];
  const stop = async () => {
    await Promise.all(started.map((gateway) => gateway.kill()));
    await redis.stop();
  };
  const another = async (more: Readonly<Record<string, string>> = {}) => {
    const gateway = await GatewayProcess.start({ env: { REDIS_URL: redis.url, ...env, ...more } });
    started.push(gateway);
    await until('it is ready', async () =>
      (await call(`${gateway.url}/stats`)).text.includes('"broker":{"ready":true}'),
    );
    return gateway;
  };
  const both = await Promise.allSettled([another(), another()]);
  const [a, b] = both.map((each) => (each.status === 'fulfilled' ? each.value : undefined));
  if (a !== undefined && b !== undefined) return { redis, a, b, another, stop };
  await stop();
  throw both.find((each) => each.status === 'rejected')?.reason;
}
