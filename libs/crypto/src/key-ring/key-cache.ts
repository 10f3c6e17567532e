import type { Clock } from '@symbolon/kernel';

interface Entry<T> {
  readonly value: Promise<T>;
  readonly until: number;
}

/**
 * The keys used last, for a while: another process that destroys a key cannot tell this one.
 * Concurrent callers share one load; what is loading while its key is evicted is given to those who wait and not kept.
 */
export class KeyCache<T> {
  readonly #entries = new Map<string, Entry<T>>();

  constructor(
    private readonly clock: Clock,
    private readonly load: (id: string) => Promise<T>,
    private readonly capacity = 10_000,
    private readonly lifetimeMillis = 60_000,
  ) {}

  get(id: string): Promise<T> {
    const found = this.#entries.get(id);
    if (found && found.until > this.clock.millis()) {
      this.#entries.delete(id);
      this.#entries.set(id, found);
      return found.value;
    }
    const entry = { value: this.load(id), until: this.clock.millis() + this.lifetimeMillis };
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    entry.value.catch(() => {
      if (this.#entries.get(id) === entry) this.#entries.delete(id);
    });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.capacity) break;
      this.#entries.delete(oldest);
    }
    return entry.value;
  }

  evict(id: string): void {
    this.#entries.delete(id);
  }

  clear(): void {
    this.#entries.clear();
  }
}
