/**
 * One connection's worth of inputs, drawn from the seed and the conversation's number alone, so that each can be had again
 * by itself. Pure; `talk.ts` holds it with a gateway.
 */
import { Random } from '../harness/plan.ts';
import { webSocketConversation } from './frames.ts';
import { requestConversation } from './requests.ts';
import type { Step } from './step.ts';

export interface Conversation {
  readonly kind: 'websocket' | 'http';
  readonly steps: readonly Step[];
  readonly ending: 'end' | 'destroy' | 'reset';
}

export function conversation(seed: number, index: number): Conversation {
  const random = new Random(Math.imul(index + 1, 0x9e3779b1) ^ seed);
  const kind = random.below(2) === 0 ? 'websocket' : 'http';
  const steps = kind === 'websocket' ? webSocketConversation(random) : requestConversation(random);
  return { kind, steps, ending: random.pick(['end', 'destroy', 'reset'] as const) };
}

export function inputsOf({ steps }: Conversation): number {
  return steps.reduce((sum, { inputs }) => sum + inputs, 0);
}
