import type { Clock } from '@symbolon/kernel';
import type { Logger } from '@symbolon/observe';
import type { ParcelStore } from '@symbolon/parcel-store';
import type { Transfers } from '@symbolon/transfer';
import type { Registry } from './registry';

const every = 10 * 60_000;
/** A parcel younger than this may belong to a command that has not been accepted yet. */
const settled = 60 * 60_000;

/** Sweeps what nobody names any more: parcels of broken uploads, one-time auths that are over. */
export class Housekeeping {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> = Promise.resolve();

  constructor(
    private readonly parcels: ParcelStore,
    private readonly transfers: Transfers,
    private readonly registry: Registry,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.timer = setInterval(() => (this.sweeping = this.sweep()), every);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
  }

  /** One round; a failure waits for the next. */
  async sweep(): Promise<void> {
    try {
      await this.transfers.purge(this.clock.now());
      const swept = await this.parcels.sweep(new Date(this.clock.millis() - settled), (ids) => this.kept(ids));
      if (swept > 0) this.log.info({ swept }, 'parcels that nobody named were deleted');
    } catch (error) {
      this.log.warn({ error }, 'sweeping failed and will be tried again');
    }
  }

  private async kept(ids: readonly string[]): Promise<Set<string>> {
    const kept = await Promise.all(this.registry.contents().keepers.map((keep) => keep(ids)));
    return new Set(kept.flatMap((some) => [...some]));
  }
}
