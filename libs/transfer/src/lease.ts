import type { AuthTable, Claim } from './auth-table';

/** One transfer's hold on its auth, renewed as long as the transfer lives. */
export class Lease {
  private readonly timer: NodeJS.Timeout;
  private state: 'held' | 'released' | 'complete' | 'spent' = 'held';
  private follow: () => Promise<void> = async () => undefined;
  private settling = false;

  /** `lost` is told when the auth is another's by now, or was revoked. */
  constructor(
    private readonly table: AuthTable,
    private readonly claim: Claim,
    private readonly lost: () => void,
    renewMillis: number,
  ) {
    this.timer = setInterval(() => void this.tick(), renewMillis).unref();
  }

  /** Renews, and answers whether the transfer may still complete. */
  confirm(): Promise<boolean> {
    return this.table.renew(this.claim);
  }

  /** The transfer broke. Where that cannot be written, the lease runs out by itself. */
  async release(): Promise<void> {
    this.end('released');
    await this.table.release(this.claim).catch(() => undefined);
  }

  /**
   * The transfer is complete: does what follows from it, then spends the auth. What fails is done again until it
   * succeeds or the auth has expired; meanwhile the auth stays taken.
   */
  async spend(follow: () => Promise<void>): Promise<void> {
    this.state = 'complete';
    this.follow = follow;
    await this.settle().catch(() => undefined);
  }

  private async tick(): Promise<void> {
    try {
      const held = await this.table.renew(this.claim);
      if (this.state === 'complete') await this.settle();
      else if (this.state === 'held' && !held) this.lost();
    } catch {
      // Nobody else can take the auth while the database is away; the next tick tries again.
    }
    if (this.state === 'complete' && this.table.expired(this.claim)) clearInterval(this.timer);
  }

  private async settle(): Promise<void> {
    if (this.settling) return;
    this.settling = true;
    try {
      await this.follow();
      await this.table.spend(this.claim);
      this.end('spent');
    } finally {
      this.settling = false;
    }
  }

  private end(state: 'released' | 'spent'): void {
    this.state = state;
    clearInterval(this.timer);
  }
}
