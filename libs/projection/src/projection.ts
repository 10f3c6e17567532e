import type { PersonalBoxes } from '@symbolon/crypto';
import type { Recorded } from '@symbolon/kernel';
import type { RowChange } from './row-change';

/**
 * Events to rows. A projection is data: it names the changes, the runner writes them. Handlers are functions of the
 * event and of what its boxes hold; they may run ahead and more than once. The rows must be reproducible from the log.
 */
export interface Projection {
  /** `context.noun-list`; names the cursor. */
  readonly name: string;
  /** Raised when the rows must be made anew: the tables are emptied and refilled from the first event. */
  readonly version: number;
  readonly categories: readonly string[];
  /** `schema.table`, every table it writes. Nobody else writes them. */
  readonly tables: readonly string[];
  readonly on: Readonly<
    Record<string, (event: Recorded, boxes: PersonalBoxes) => readonly RowChange[] | Promise<readonly RowChange[]>>
  >;
}

/** How a projection stands. `error` and `event` are set while it is stopped by an event that cannot be applied. */
export interface ProjectionStatus {
  readonly name: string;
  readonly version: number;
  readonly cursor: string | null;
  /** Standby: another process runs a newer version. */
  readonly state: 'running' | 'stalled' | 'standby';
  readonly error: string | null;
  readonly event: string | null;
  /** Milliseconds since 1970. */
  readonly stalledSince: number | null;
}
