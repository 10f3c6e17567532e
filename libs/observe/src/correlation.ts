import { AsyncLocalStorage } from 'node:async_hooks';

/** What ties log lines of one cause together. Ids only: no personal data, no secrets. */
export interface Correlation {
  readonly correlationId: string;
  readonly requestId?: string;
  readonly commandId?: string;
}

const storage = new AsyncLocalStorage<Correlation>();

/** Runs `work`, and everything that it starts, under a correlation. */
export function correlate<T>(correlation: Correlation, work: () => T): T {
  return storage.run(correlation, work);
}

/** The correlation of the running code; undefined outside of any. */
export function correlation(): Correlation | undefined {
  return storage.getStore();
}
