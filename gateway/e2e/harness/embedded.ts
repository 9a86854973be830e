/** A gateway in this process, as an application that embeds one would start it. */

import { Tally } from '../../figures/tally.ts';
import { createLogger } from '../../log.ts';
import { createGateway } from '../../server/gateway.ts';
import type { Gateway } from '../../server/handle.ts';
import { faultOfRedisUrl, openBroker } from '../../server/open-broker.ts';
import { loadConfig } from '../../settings/config.ts';

/** On any free port unless the settings name one; it does not listen yet. */
export function embeddedGateway(settings: Readonly<Record<string, string>> = {}): Gateway {
  const env = { PORT: '0', LOG_LEVEL: 'warn', DRAIN_SETTLE_MS: '0', DRAIN_WINDOW_MS: '0', ...settings };
  const loaded = loadConfig(env, { generateId: () => 'embedded', checkRedisUrl: faultOfRedisUrl });
  if (!loaded.ok) throw new Error(loaded.faults.join('\n'));
  const { config } = loaded;
  const log = createLogger({ level: config.logLevel, gateway: config.gatewayId });
  const tally = new Tally();
  return createGateway(config, openBroker(config, { log, tally }), { log, tally });
}

/** Its URL, once it listens. */
export async function listenedAt(gateway: Gateway, scheme = 'http'): Promise<string> {
  const listening = await gateway.listen();
  if (!listening.ok) throw new Error(listening.error);
  return `${scheme}://127.0.0.1:${listening.port}`;
}
