import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const most = 256;

/**
 * The figures of this process, as Prometheus reads them. Labels are names from the code and the contract: what does not
 * look like one, or comes after 256 others, counts as `other`, so that no id, token or personal value becomes a label.
 */
export class Metrics {
  private readonly registry = new Registry();
  private readonly labels = new Set<string>();

  private readonly accepted = this.counter('commands_accepted_total', 'Commands accepted', 'type');
  private readonly settled = this.counter('commands_settled_total', 'Commands that became final', 'type', 'outcome');
  private readonly settledAfter = new Histogram({
    name: 'symbolon_command_seconds',
    help: 'Seconds from acceptance to the final status',
    labelNames: ['type'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [this.registry],
  });
  private readonly appendedIn = new Histogram({
    name: 'symbolon_append_seconds',
    help: 'Seconds of an append to the event log',
    labelNames: ['outcome'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [this.registry],
  });
  private readonly lag = new Gauge({
    name: 'symbolon_projection_lag_seconds',
    help: 'Age of the oldest event that a projection has not yet taken',
    labelNames: ['projection'],
    registers: [this.registry],
  });
  private readonly stalled = new Gauge({
    name: 'symbolon_projection_stalled',
    help: '1 while a projection cannot apply its next event',
    labelNames: ['projection'],
    registers: [this.registry],
  });
  private readonly messages = this.counter(
    'device_messages_total',
    'Messages to and from devices',
    'direction',
    'type',
    'outcome',
  );
  private readonly transfers = this.counter(
    'transfers_total',
    'Uploads and downloads',
    'direction',
    'purpose',
    'outcome',
  );
  private readonly bytes = this.counter('transferred_bytes_total', 'Bytes of uploads and downloads', 'direction');

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  commandAccepted(type: string): void {
    this.accepted.inc({ type: this.label(type) });
  }

  commandSettled(type: string, outcome: 'succeeded' | 'rejected', seconds: number): void {
    this.settled.inc({ type: this.label(type), outcome });
    this.settledAfter.observe({ type: this.label(type) }, seconds);
  }

  appended(outcome: 'appended' | 'duplicate' | 'conflict' | 'guarded' | 'failed', seconds: number): void {
    this.appendedIn.observe({ outcome }, seconds);
  }

  projection(name: string, lagSeconds: number, stalled: boolean): void {
    this.lag.set({ projection: this.label(name) }, lagSeconds);
    this.stalled.set({ projection: this.label(name) }, stalled ? 1 : 0);
  }

  deviceMessage(direction: 'in' | 'out', type: string, outcome: 'sent' | 'taken' | 'repeated' | 'refused'): void {
    this.messages.inc({ direction, type: this.label(type), outcome });
  }

  transfer(direction: 'up' | 'down', purpose: string, outcome: 'complete' | 'broken' | 'refused', bytes: number): void {
    this.transfers.inc({ direction, purpose: this.label(purpose), outcome });
    this.bytes.inc({ direction }, bytes);
  }

  /** The text that Prometheus reads, and its content type. */
  async text(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  private counter<L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> {
    return new Counter({ name: `symbolon_${name}`, help, labelNames, registers: [this.registry] });
  }

  private label(text: string): string {
    if (this.labels.has(text)) return text;
    if (this.labels.size >= most || !/^[a-z][a-z_.-]*(\/[a-z_.-]+)*$/.test(text) || text.length > 64) return 'other';
    this.labels.add(text);
    return text;
  }
}
