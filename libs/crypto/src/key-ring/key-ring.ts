import { randomBytes } from 'node:crypto';
import type { Clock, Instant } from '@symbolon/kernel';
import { uuid7 } from '../mint/ids';

/** What the ring's keys are for. Each is 32 bytes: a symmetric key, or the private half of the engine's pairs. */
export const purposes = [
  'epoch-kek',
  'token-lookup',
  'guess',
  'object-id',
  'password',
  'engine-seal',
  'engine-sign',
] as const;
export type Purpose = (typeof purposes)[number];

/** One key of the ring. Its bytes show neither in JSON nor in an inspection. */
export class RingKey {
  readonly #bytes: Buffer;

  constructor(
    readonly id: string,
    readonly purpose: Purpose,
    readonly createdAt: Instant,
    bytes: Buffer,
  ) {
    this.#bytes = bytes;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  static make(purpose: Purpose, clock: Clock): RingKey {
    return new RingKey(uuid7(), purpose, clock.now(), randomBytes(32));
  }
}

/** The ring cannot be used: a file is missing, malformed, readable by others, or of another installation. */
export class KeyRingError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KeyRingError';
  }
}

/** The installation's own keys. They lie outside the database and outside its backups. */
export abstract class KeyRing {
  /** The keys of a purpose, newest first; at least one. */
  abstract all(purpose: Purpose): readonly RingKey[];
  abstract byId(id: string): RingKey | null;
  /** Adds a key, which becomes the current one. Durable when resolved. */
  abstract rotate(purpose: Purpose): Promise<RingKey>;
  /** Removes a key for good; does nothing when it is gone. A purpose's only key is never removed. */
  abstract destroy(id: string): Promise<void>;
  /** Takes over what another process changed. */
  abstract refresh(): Promise<void>;

  current(purpose: Purpose): RingKey {
    const [newest] = this.all(purpose);
    if (!newest) throw new KeyRingError(`the key ring has no key for ${purpose}`);
    return newest;
  }
}

/** A ring that lives as long as its process. */
export class MemoryKeyRing extends KeyRing {
  protected keys: readonly RingKey[];

  constructor(protected readonly clock: Clock) {
    super();
    this.keys = purposes.map((purpose) => RingKey.make(purpose, clock));
  }

  all(purpose: Purpose): readonly RingKey[] {
    return this.keys.filter((key) => key.purpose === purpose);
  }

  byId(id: string): RingKey | null {
    return this.keys.find((key) => key.id === id) ?? null;
  }

  async rotate(purpose: Purpose): Promise<RingKey> {
    const added = RingKey.make(purpose, this.clock);
    await this.change((keys) => [added, ...keys]);
    return added;
  }

  async destroy(id: string): Promise<void> {
    await this.change((keys) => {
      const doomed = keys.find((key) => key.id === id);
      if (!doomed) return keys;
      if (keys.filter(({ purpose }) => purpose === doomed.purpose).length === 1) {
        throw new KeyRingError(`the only key for ${doomed.purpose} cannot be destroyed`);
      }
      return keys.filter((key) => key.id !== id);
    });
  }

  async refresh(): Promise<void> {}

  /** Makes a change durable, then visible. */
  protected async change(edit: (keys: readonly RingKey[]) => readonly RingKey[]): Promise<void> {
    this.keys = edit(this.keys);
  }
}
