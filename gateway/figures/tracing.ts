/**
 * OpenTelemetry traces of events, from their publishing to their delivery, to a collector that takes OTLP by HTTP. Nothing of this exists, and nothing
 * is called, where none is configured.
 *
 * An event's trace is found from its channel and id alone, which every gateway knows: nothing has to travel with the event. The gateway that publishes makes the
 * root span, each gateway that delivers adds one below it, and all of them draw the same lot on whether to. Spans are few and flat, and told when all
 * is over, so this writes them itself, as OTLP has them in JSON, in place of a kit of 28 megabytes.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Position } from '../../broker/broker.ts';

export interface TracerOptions {
  /** Where the collector is, without a path for traces. */
  readonly endpoint: string;
  /** The share of events that are traced, from 0 to 1. */
  readonly share: number;
  readonly gatewayId: string;
  readonly version: string;
  /** Hears why spans were thrown away, which may be often. */
  readonly onFailure: (error: unknown) => void;
}

/** A publish that was acknowledged, in epoch milliseconds. */
export interface TracedPublish {
  readonly channel: string;
  readonly id: Position;
  readonly beganMs: number;
  readonly endedMs: number;
  /** W3C Trace Context of who published, if any: `traceparent` as it came. */
  readonly traceparent: string;
}

/** A write of a channel to all who listen here, of which `id` is the oldest event. */
export interface TracedDelivery {
  readonly channel: string;
  readonly id: Position;
  readonly storedMs: number;
  readonly writtenMs: number;
  readonly subscriptions: number;
}

interface Context {
  readonly traceId: string;
  readonly spanId: string;
}

interface Span extends Context {
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly links?: readonly Context[];
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
}

/** OTLP's numbers for a span's kind. */
const PRODUCER = 4;
const CONSUMER = 5;
/** Spans that wait to be sent; further ones are thrown away. */
const MAX_WAITING = 4_096;
const SEND_LIMIT_MS = 5_000;
const TRACEPARENT = /^00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-[0-9a-f]{2}$/;

export class Tracer {
  readonly #options: TracerOptions;
  readonly #url: string;
  #waiting: Span[] = [];
  #dropped = 0;

  constructor(options: TracerOptions) {
    this.#options = options;
    this.#url = `${options.endpoint.replace(/\/$/, '')}/v1/traces`;
  }

  /** Events of ephemeral channels have no id, and no trace. */
  published({ channel, id, beganMs, endedMs, traceparent }: TracedPublish): void {
    const root = this.#rootOf(channel, id);
    if (root === undefined) return;
    const times = { startTimeUnixNano: nanoseconds(beganMs), endTimeUnixNano: nanoseconds(endedMs) };
    const span = { name: `publish ${channel}`, kind: PRODUCER, ...times, attributes: attributesOf(channel, id) };
    const [, traceId, parentSpanId] = TRACEPARENT.exec(traceparent) ?? [];
    if (traceId === undefined || parentSpanId === undefined) {
      this.#add({ ...root, ...span });
      return;
    }
    // Once in the trace of the event and once in the caller's, each with a link to the other.
    const own = { traceId, spanId: randomBytes(8).toString('hex') };
    this.#add({ ...root, ...span, links: [own] });
    this.#add({ ...own, parentSpanId, ...span, links: [root] });
  }

  delivered({ channel, id, storedMs, writtenMs, subscriptions }: TracedDelivery): void {
    const root = this.#rootOf(channel, id);
    if (root === undefined) return;
    this.#add({
      traceId: root.traceId,
      spanId: randomBytes(8).toString('hex'),
      parentSpanId: root.spanId,
      name: `deliver ${channel}`,
      kind: CONSUMER,
      startTimeUnixNano: nanoseconds(Math.min(storedMs, writtenMs)), // the clocks of Redis and of this machine may differ
      endTimeUnixNano: nanoseconds(writtenMs),
      attributes: [
        ...attributesOf(channel, id),
        { key: 'passerelle.subscriptions', value: { intValue: String(subscriptions) } },
      ],
    });
  }

  /** Sends what waits. What the collector does not take is thrown away. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const spans = this.#waiting;
    this.#waiting = [];
    const { gatewayId, version, onFailure } = this.#options;
    const attributes = [
      text('service.name', 'passerelle'),
      text('service.version', version),
      text('service.instance.id', gatewayId),
    ];
    const scopeSpans = [{ scope: { name: 'passerelle', version }, spans }];
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans }] }),
        signal: AbortSignal.timeout(SEND_LIMIT_MS),
      });
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`The collector answered ${response.status}`);
      if (this.#dropped > 0) throw new Error(`${this.#dropped} spans were too many and thrown away`);
    } catch (error) {
      this.#dropped = 0;
      onFailure(error);
    }
  }

  #add(span: Span): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(span);
    else this.#dropped++;
  }

  /** The trace of an event, and its root span; undefined where it is not traced. */
  #rootOf(channel: string, id: Position): Context | undefined {
    if (id === '') return undefined;
    const hash = createHash('sha256').update(`${channel}\n${id}`).digest();
    if (hash.readUInt32BE(24) / 2 ** 32 >= this.#options.share) return undefined;
    return { traceId: hash.toString('hex', 0, 16), spanId: hash.toString('hex', 16, 24) };
  }
}

function attributesOf(channel: string, id: Position): readonly Attribute[] {
  return [
    text('messaging.system', 'passerelle'),
    text('messaging.destination.name', channel),
    text('messaging.message.id', id),
  ];
}

function text(key: string, stringValue: string): Attribute {
  return { key, value: { stringValue } };
}

function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1_000)}000`;
}
