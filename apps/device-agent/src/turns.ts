/** Lets at most `width` pieces of work run at once; the others wait in the order they came. */
export class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private width: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.width > 0) this.width--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.width++;
    }
  }
}

/** Work on one lane runs one after the other in the order it came; lanes do not wait for each other. */
export class Lanes {
  private readonly last = new Map<string, Promise<unknown>>();

  async run<T>(lane: string, work: () => Promise<T>): Promise<T> {
    const before = this.last.get(lane) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.last.set(lane, turn);
    try {
      return await turn;
    } finally {
      if (this.last.get(lane) === turn) this.last.delete(lane);
    }
  }
}
