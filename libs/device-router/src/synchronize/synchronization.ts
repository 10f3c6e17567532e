/** Row of a synchronization that is under way. */
export interface Synchronization {
  readonly command_id: string;
  readonly profile_id: string;
  /** The target. */
  readonly device_identifier: string;
  /** Read from this one only. */
  readonly source: string | null;
  readonly phase: 'inventory' | 'comparing' | 'copying';
  readonly page: number;
  readonly after: string | null;
  readonly inventory_id: string | null;
  readonly inventory_at: Date | null;
  readonly sent_at: Date | number;
  /** Compared so far, and how far to go. */
  readonly token_after: string;
  readonly token_last: string | null;
  readonly total: string;
  readonly missing: string;
  readonly progressed_at: Date;
}

/** Where a step leads: on at once, wait for something to happen, or the command's end. */
export type Step = 'on' | 'wait' | { readonly rejected: string } | 'done';

/** Seconds in which the target has to give a page of its inventory. */
export const inventoryPatience = 60;
/** Seconds without any progress. */
export const copyPatience = 600;
