/** Whatever takes text. */
export interface Output {
  write(text: string): unknown;
}

const startOver = '\r\u001b[K';

/** Where somebody is asked while lines go by: they come above the question that waits, which is put again below them. */
export class Screen implements Output {
  private waiting = '';

  constructor(private readonly out: Output) {}

  /** Whole lines. */
  write(lines: string): void {
    this.out.write(this.waiting === '' ? lines : `${startOver}${lines}${this.waiting}`);
  }

  ask(question: string): void {
    this.waiting = question;
    this.out.write(question);
  }

  /** The question waits no more. */
  answered(): void {
    this.waiting = '';
  }
}
