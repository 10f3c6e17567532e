/** The server's key is not the one that this client knows: somebody may be between. */
export class PinMismatch extends Error {
  override readonly name = 'PinMismatch';

  constructor(
    readonly expected: string,
    readonly actual: string,
  ) {
    super(`the server's key has the fingerprint ${actual}, expected was ${expected}`);
  }
}

/** The server gave an older version than the caller, or this session, has seen already. */
export class RolledBack extends Error {
  override readonly name = 'RolledBack';

  constructor(
    readonly version: number,
    readonly expected: number,
  ) {
    super(`the server gave version ${version} of the data, at least ${expected} was expected`);
  }
}

/** Sealing and opening need the profile's keys, and the session has none. */
export class KeysMissing extends Error {
  override readonly name = 'KeysMissing';

  constructor() {
    super('this session has no keys of the profile');
  }
}
