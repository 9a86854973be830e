/** Every fault that the harness knows. */
import { CLUSTER_FAULTS } from './cluster.ts';
import type { Fault, Form } from './fault.ts';
import { GATEWAY_FAULTS } from './gateways.ts';
import { LINK_FAULTS } from './links.ts';
import { REDIS_FAULTS } from './redis.ts';
import { SENTINEL_FAULTS } from './sentinel.ts';
import { STANDALONE_FAULTS } from './standalone.ts';

export const FAULTS: readonly Fault[] = [
  ...LINK_FAULTS,
  ...GATEWAY_FAULTS,
  ...REDIS_FAULTS,
  ...STANDALONE_FAULTS,
  ...SENTINEL_FAULTS,
  ...CLUSTER_FAULTS,
];

export function faultsOf(form: Form): readonly Fault[] {
  return FAULTS.filter(({ forms }) => forms === undefined || forms.includes(form));
}
