/** What has been started, so that it can be stopped in reverse, whatever happens. */
export class Running {
  private readonly stops: Array<() => Promise<void> | void> = [];
  private stopping: Promise<void> | null = null;

  add(stop: () => Promise<void> | void): void {
    this.stops.push(stop);
  }

  get isStopping(): boolean {
    return this.stopping !== null;
  }

  stop(): Promise<void> {
    this.stopping ??= (async () => {
      for (const stop of this.stops.reverse()) await Promise.resolve(stop()).catch(() => undefined);
    })();
    return this.stopping;
  }
}
