/** The one error of everything that is opened: whatever failed, the caller learns no more than this. */
export class SealError extends Error {
  constructor() {
    super('cannot be opened');
    this.name = 'SealError';
  }
}

/** Runs an opening; any failure becomes the same `SealError`. */
export function opening<T>(work: () => T): T {
  try {
    return work();
  } catch {
    throw new SealError();
  }
}
