/** What a fault is to the harness: a name, where it can be injected, and how that is done and undone. */
import type { Random } from '../../gateway/e2e/harness/plan.ts';
import type { World } from './world.ts';

export const FORMS = ['standalone', 'sentinel', 'cluster'] as const;
export type Form = (typeof FORMS)[number];

/** Faults of one lane come one after the other; those of different lanes overlap. */
export const LANES = ['links', 'gateways', 'redis'] as const;
export type Lane = (typeof LANES)[number];

export interface Fault {
  /** Its row in the table. */
  readonly name: string;
  readonly lane: Lane;
  /** All unless given. */
  readonly forms?: readonly Form[];
  /** How often it is drawn, beside the others of its lane; 1 unless given. */
  readonly weight?: number;
  /** Injects it and undoes it. Resolves once it is over, with false where it did not take hold: then it does not count. */
  inject(world: World, random: Random): Promise<boolean>;
}
