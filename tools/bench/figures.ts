/** Figures of one kind of load over one span of time. */
export interface Measured {
  readonly done: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the measuring process, seconds. */
  readonly cpu: number;
}

/** Gathers how long each operation took. */
export class Stopwatch {
  private readonly millis: number[] = [];
  private readonly begun = performance.now();
  private readonly cpu = process.cpuUsage();

  elapsed(): number {
    return (performance.now() - this.begun) / 1000;
  }

  /** Times one operation; what answers false was none. */
  async time(work: () => Promise<boolean | void>): Promise<boolean> {
    const from = performance.now();
    if ((await work()) === false) return false;
    this.millis.push(performance.now() - from);
    return true;
  }

  stop(): Measured {
    const seconds = this.elapsed();
    const { user, system } = process.cpuUsage(this.cpu);
    const sorted = this.millis.sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? 0;
    return { done: sorted.length, seconds, p50: at(0.5), p99: at(0.99), cpu: (user + system) / 1e6 };
  }
}

/** Runs `clients` loops until `seconds` have passed or one of them has nothing left to do. */
export async function measure(
  clients: number,
  seconds: number,
  step: (client: number) => Promise<boolean | void>,
): Promise<Measured> {
  const watch = new Stopwatch();
  const loop = async (client: number) => {
    while (watch.elapsed() < seconds && (await watch.time(() => step(client))));
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => loop(client)));
  return watch.stop();
}

export function rate({ done, seconds }: Measured): number {
  return done / seconds;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return ((low ?? 0) + (high ?? 0)) / 2;
}
