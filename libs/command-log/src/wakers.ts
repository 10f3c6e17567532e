/** Who waits for news of something, by its id. */
export class Wakers {
  private readonly waiting = new Map<string, Set<() => void>>();

  wake(id: string): void {
    for (const done of this.waiting.get(id) ?? []) done();
  }

  /**
   * Looks until there is something to see: at once, after every wake-up, and every `millis` in case the news passes by
   * another process. Null when `until` (as `performance.now()`) is over.
   */
  async look<T>(id: string, see: () => Promise<T | null>, until = Infinity, millis = 500): Promise<T | null> {
    for (;;) {
      let done: () => void = () => undefined;
      const woken = new Promise<void>((resolve) => (done = resolve));
      const listeners = this.waiting.get(id) ?? new Set();
      this.waiting.set(id, listeners.add(done));
      let timer: NodeJS.Timeout | undefined;
      try {
        const seen = await see();
        if (seen !== null) return seen;
        const left = until - performance.now();
        if (left <= 0) return null;
        timer = setTimeout(done, Math.min(left, millis));
        await woken;
      } finally {
        clearTimeout(timer);
        listeners.delete(done);
        if (listeners.size === 0) this.waiting.delete(id);
      }
    }
  }
}
