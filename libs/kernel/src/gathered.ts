import { Unavailable } from './event-store';
import { isOutage } from './outage';

interface Call<K, V> {
  readonly key: K;
  resolve(value: V): void;
  reject(error: unknown): void;
}

/**
 * Gathers calls while earlier ones are on their way and makes one of all that came meanwhile: many callers share the
 * cost of a round trip, a single one does not wait. Each call is begun after it was made, so it sees what came before.
 */
export class Gathered<K, V> {
  private waiting: Array<Call<K, V>> = [];
  private inFlight = 0;
  private scheduled = false;

  /**
   * `send` answers one value per key, in their order. What makes it throw is the matter of one call: unless the other
   * side is away, all are tried again one by one, so `send` must be able to bear a repeat.
   */
  constructor(
    private readonly send: (keys: readonly K[]) => Promise<readonly V[]>,
    private readonly lanes = 2,
    private readonly most = 128,
  ) {}

  ask(key: K): Promise<V> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ key, resolve, reject });
      if (this.scheduled || this.inFlight >= this.lanes) return;
      this.scheduled = true;
      // What is asked in the same turn of the loop leaves together.
      setImmediate(() => {
        this.scheduled = false;
        this.depart();
      });
    });
  }

  private depart(): void {
    while (this.inFlight < this.lanes && this.waiting.length > 0) {
      this.inFlight++;
      void this.settle(this.waiting.splice(0, this.most)).finally(() => {
        this.inFlight--;
        this.depart();
      });
    }
  }

  private async settle(calls: ReadonlyArray<Call<K, V>>): Promise<void> {
    try {
      const values = await this.send(calls.map(({ key }) => key));
      for (const [index, { resolve }] of calls.entries()) resolve(values[index] as V);
    } catch (error) {
      if (calls.length === 1 || error instanceof Unavailable || isOutage(error))
        for (const { reject } of calls) reject(error);
      else for (const call of calls) await this.settle([call]);
    }
  }
}
