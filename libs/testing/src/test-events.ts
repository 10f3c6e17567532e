/** One server-sent event. */
export interface TestEvent {
  readonly event: string;
  readonly id: string;
  /** As it stood there. */
  readonly text: string;
  readonly data: any;
}

/** An event stream that keeps what came, for tests. */
export class TestEvents {
  readonly events: TestEvent[] = [];
  comments = 0;
  ended = false;
  private readonly listeners = new Set<() => void>();

  private constructor(
    readonly answer: Response,
    private readonly aborting: AbortController,
  ) {
    void this.read().catch(() => undefined);
  }

  /** Any answer: what is no stream has `answer.status` to say so. */
  static async open(
    origin: string,
    token: string,
    { query = '', headers = {} }: { query?: string; headers?: Record<string, string> } = {},
  ): Promise<TestEvents> {
    const aborting = new AbortController();
    const answer = await fetch(`${origin}/events${query}`, {
      headers: { 'x-dpt-authorization': token, ...headers },
      signal: aborting.signal,
    });
    return new TestEvents(answer, aborting);
  }

  async until<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.listeners.delete(wake);
          resolve();
        };
        this.listeners.add(wake);
      });
    }
  }

  /** The end message of a command. */
  end(commandId: string): Promise<TestEvent> {
    return this.until(() =>
      this.events.find(({ data }) => data.data.id === commandId && data.data.command_status !== 1),
    );
  }

  close(): void {
    this.aborting.abort();
  }

  private async read(): Promise<void> {
    let rest = '';
    try {
      for await (const chunk of this.answer.body!.pipeThrough(new TextDecoderStream())) {
        const frames = (rest + chunk).split('\n\n');
        rest = frames.pop()!;
        for (const frame of frames) this.take(frame);
        this.wake();
      }
    } finally {
      this.ended = true;
      this.wake();
    }
  }

  private take(frame: string): void {
    const fields: Record<string, string> = {};
    for (const line of frame.split('\n')) {
      const colon = line.indexOf(':');
      if (colon === 0) this.comments++;
      else fields[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, '');
    }
    const { event, id, data } = fields;
    if (event === undefined && data === undefined) return;
    this.events.push({ event: event!, id: id!, text: data!, data: JSON.parse(data!) });
  }

  private wake(): void {
    for (const wake of [...this.listeners]) wake();
  }
}
