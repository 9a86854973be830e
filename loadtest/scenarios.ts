/** Every scenario, in the order in which they run. */
import type { Scenario } from './scenario.ts';
import { CLIENT } from './scenarios/client.ts';
import { COMPRESSION } from './scenarios/compression.ts';
import { CROWD } from './scenarios/crowd.ts';
import { FANOUT } from './scenarios/fanout.ts';
import { IDLE } from './scenarios/idle.ts';
import { JITTER } from './scenarios/jitter.ts';
import { LATENCY } from './scenarios/latency.ts';
import { PRESENCE } from './scenarios/presence.ts';
import { PUBLISH } from './scenarios/publish.ts';
import { RECONNECT_STORM } from './scenarios/reconnect-storm.ts';
import { REDIS_SCRIPT } from './scenarios/redis-script.ts';
import { SLOW_READERS } from './scenarios/slow-readers.ts';
import { SMALL_CHANNELS } from './scenarios/small-channels.ts';

export const SCENARIOS: readonly Scenario[] = [
  CLIENT,
  FANOUT,
  REDIS_SCRIPT,
  IDLE,
  COMPRESSION,
  RECONNECT_STORM,
  LATENCY,
  CROWD,
  SMALL_CHANNELS,
  PUBLISH,
  PRESENCE,
  SLOW_READERS,
  JITTER,
];
