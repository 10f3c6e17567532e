/** RFC 3339 in UTC with milliseconds: `2026-02-21T15:33:44.123+00:00`. Two instants compare as text. */
export type Instant = string;

export abstract class Clock {
  /** Milliseconds since 1970. */
  abstract millis(): number;

  now(): Instant {
    return instant(this.millis());
  }

  /** The instant `seconds` from now; negative values lie in the past. */
  after(seconds: number): Instant {
    return instant(this.millis() + seconds * 1000);
  }
}

export class SystemClock extends Clock {
  millis(): number {
    return Date.now();
  }
}

/** A clock for tests: stands still until it is moved. */
export class ManualClock extends Clock {
  constructor(private at: number) {
    super();
  }

  millis(): number {
    return this.at;
  }

  advance(seconds: number): void {
    this.at += seconds * 1000;
  }
}

export function instant(millis: number): Instant {
  return new Date(millis).toISOString().replace('Z', '+00:00');
}

/** Whole seconds, as answers and lists show times: `2026-02-21T15:33:44+00:00`. */
export function wholeSeconds(at: Instant | Date): string {
  const millis = typeof at === 'string' ? Date.parse(at) : at.getTime();
  return instant(Math.floor(millis / 1000) * 1000).replace('.000', '');
}

/** Milliseconds since 1970 of an instant. */
export function millisOf(at: Instant): number {
  return Date.parse(at);
}
