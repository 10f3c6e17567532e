import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { CliError } from './failure';

type Input = Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
type Output = Writable & { isTTY?: boolean; columns?: number };

/** What a run of the program may touch of its surroundings. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Results on stdout (with `--json` exactly one document), hints, questions and progress on stderr. */
export class Terminal {
  constructor(
    readonly surroundings: Surroundings,
    readonly json: boolean,
  ) {}

  /** The one result of a command: the document, or its text for people. */
  result(document: unknown, text: string): void {
    const said = this.json ? JSON.stringify(document, null, 2) : text;
    if (said !== '') this.surroundings.stdout.write(`${said}\n`);
  }

  hint(text: string): void {
    this.surroundings.stderr.write(`${text}\n`);
  }

  /** A progress line for a transfer of `total` bytes; silent unless stderr is a terminal. */
  progress(label: string, total: number | null): Progress {
    return new Progress(this.surroundings.stderr, label, total);
  }

  /**
   * A secret: of the variable if it is set, from the first line of stdin when asked for, else by a question that does
   * not echo. Never an argument: those are seen by every user of the machine.
   */
  async secret(options: { name: string; variable: string; fromStdin: boolean; twice?: boolean }): Promise<string> {
    const { name, variable, fromStdin, twice = false } = options;
    const given = this.surroundings.env[variable];
    const secret = fromStdin ? await this.firstLine() : given || (await this.ask(name, variable));
    if (secret === '') throw new CliError(`The ${name.toLowerCase()} is empty.`);
    if (twice && !fromStdin && !given && (await this.ask(`${name} again`, variable)) !== secret) {
      throw new CliError('The two are not the same.');
    }
    return secret;
  }

  private async firstLine(): Promise<string> {
    const parts: Buffer[] = [];
    for await (const chunk of this.surroundings.stdin) parts.push(Buffer.from(chunk as Uint8Array));
    return Buffer.concat(parts).toString('utf8').split(/\r?\n/, 1)[0]!;
  }

  private ask(question: string, variable: string): Promise<string> {
    const { stdin, stderr } = this.surroundings;
    if (!stdin.isTTY || !stdin.setRawMode) {
      throw new CliError(`There is no terminal to ask for it: set ${variable}, or hand it over by stdin.`);
    }
    stderr.write(`${question}: `);
    stdin.setRawMode(true);
    return new Promise((resolve, reject) => {
      const decoder = new StringDecoder('utf8');
      let typed = '';
      const end = (settle: () => void): void => {
        stdin.off('data', hear);
        stdin.setRawMode?.(false);
        stdin.pause();
        stderr.write('\n');
        settle();
      };
      const hear = (data: Buffer): void => {
        for (const character of decoder.write(data)) {
          if (character === '\r' || character === '\n') return end(() => resolve(typed));
          if (character === '\u0003') return end(() => reject(new CliError('Interrupted.', 130, 'interrupted')));
          if (character === '\u007f' || character === '\b') typed = [...typed].slice(0, -1).join('');
          else if (character >= ' ') typed += character;
        }
      };
      stdin.on('data', hear);
      stdin.resume();
    });
  }
}

const BAR = 24;
/** Milliseconds between two drawings. */
const REDRAW = 100;

/** One line that is drawn again and again while bytes pass, and wiped at the end. */
export class Progress {
  private readonly begun = Date.now();
  private drawn = 0;

  constructor(
    private readonly output: Output,
    private readonly label: string,
    private readonly total: number | null,
  ) {}

  to(bytes: number): void {
    const now = Date.now();
    if (!this.output.isTTY || now - this.drawn < REDRAW) return;
    this.drawn = now;
    const rate = `${readableSize(bytes / Math.max(0.001, (now - this.begun) / 1000))}/s`;
    const done = this.total ? Math.min(1, bytes / this.total) : null;
    const bar =
      done === null
        ? readableSize(bytes)
        : `[${'='.repeat(Math.round(done * BAR)).padEnd(BAR)}] ${Math.floor(done * 100)} % of ${readableSize(this.total!)}`;
    this.output.write(`\r\u001b[2K${this.label} ${bar}  ${rate}`);
  }

  end(): void {
    if (this.drawn > 0) this.output.write('\r\u001b[2K');
  }
}

export function readableSize(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** Rows under a heading, in columns as wide as they need to be. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((_, column) => Math.max(...[heading, ...rows].map((row) => row[column]!.length)));
  return [heading, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
