/** One append that waits for its turn. `text` is the request as JSON, an element of what `es.append_many` takes. */
export interface Request<A> {
  readonly stream: string;
  readonly text: string;
  resolve(answer: A): void;
  reject(error: unknown): void;
}

/**
 * Gathers appends while others are on their way and sends them together: the cost of a commit is shared by all that
 * came meanwhile. A stream is never in two places at once, so the order of its appends is that of their arrival.
 */
export class GroupCommit<A> {
  private waiting: Request<A>[] = [];
  private readonly busy = new Set<string>();
  private inFlight = 0;
  private scheduled = false;

  /** `send` settles every request it is given and does not throw. */
  constructor(
    private readonly send: (batch: readonly Request<A>[]) => Promise<void>,
    private readonly lanes: number,
    private readonly maxRequests = 128,
    private readonly maxLength = 1 << 20,
  ) {}

  add(request: Request<A>): void {
    this.waiting.push(request);
    if (this.scheduled || this.inFlight === this.lanes) return;
    this.scheduled = true;
    // What arrived in the same turn of the loop leaves together.
    setImmediate(() => {
      this.scheduled = false;
      this.depart();
    });
  }

  private depart(): void {
    while (this.inFlight < this.lanes) {
      const batch = this.takeBatch();
      if (batch.length === 0) return;
      this.inFlight++;
      void this.send(batch).finally(() => {
        this.inFlight--;
        for (const { stream } of batch) this.busy.delete(stream);
        this.depart();
      });
    }
  }

  private takeBatch(): Request<A>[] {
    const batch: Request<A>[] = [];
    const left: Request<A>[] = [];
    let length = 0;
    let full = false;
    for (const request of this.waiting) {
      // Once full, all stay: a small latecomer must not overtake an earlier append to its stream.
      full ||= batch.length === this.maxRequests || (batch.length > 0 && length + request.text.length > this.maxLength);
      if (full || this.busy.has(request.stream)) {
        left.push(request);
        continue;
      }
      batch.push(request);
      length += request.text.length;
      this.busy.add(request.stream);
    }
    this.waiting = left;
    return batch;
  }
}
