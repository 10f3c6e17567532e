import type { Clock } from '@symbolon/kernel';

export interface Verdict {
  readonly allowed: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** Requests per key and minute, in fixed windows (contract, section 8). A limit of 0 is no limit. */
export class RateLimit {
  private readonly windows = new Map<string, { startedAt: number; count: number }>();
  private swept = 0;

  constructor(
    private readonly name: 'token' | 'address',
    private readonly limit: number,
    private readonly clock: Clock,
  ) {}

  take(key: string): Verdict {
    if (this.limit === 0) return { allowed: true, headers: {} };
    const now = this.clock.millis();
    this.sweep(now);
    let window = this.windows.get(key);
    if (!window || now - window.startedAt >= 60_000) {
      window = { startedAt: now, count: 0 };
      this.windows.set(key, window);
    }
    window.count++;
    const left = Math.max(this.limit - window.count, 0);
    const seconds = Math.max(Math.ceil((window.startedAt + 60_000 - now) / 1000), 1);
    const allowed = window.count <= this.limit;
    return {
      allowed,
      headers: {
        'ratelimit-policy': `"${this.name}";q=${this.limit};w=60`,
        ratelimit: `"${this.name}";r=${left};t=${seconds}`,
        ...(allowed ? {} : { 'retry-after': String(seconds) }),
      },
    };
  }

  private sweep(now: number): void {
    if (now - this.swept < 60_000) return;
    this.swept = now;
    for (const [key, { startedAt }] of this.windows) if (now - startedAt >= 60_000) this.windows.delete(key);
  }
}
