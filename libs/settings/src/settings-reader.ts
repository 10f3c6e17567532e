export type Environment = Readonly<Record<string, string | undefined>>;

/** One row of `symbolon config`. `value` is what is in effect, without secrets. */
export interface DescribedSetting {
  readonly name: string;
  readonly value: string;
  readonly default: string;
  readonly effect: string;
  readonly source: 'environment' | 'default';
}

/** The settings cannot be used. `problems` has one sentence per variable, which names it and never shows a secret. */
export class SettingsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'SettingsError';
  }
}

interface Definition<T> {
  readonly name: string;
  readonly effect: string;
  /** Never shown at all, or shown as a URL without its password. */
  readonly secret?: 'whole' | 'password';
  /** Whether the empty text is a value, and so most likely a mistake to report, or the same as unset. */
  readonly emptyIsSet?: boolean;
  /** Throws an error whose message goes on after the variable's name. */
  readonly read: (text: string) => T;
}

/** Takes variables one by one and gathers what is wrong with them; `described` throws when anything was. */
export class SettingsReader {
  private readonly problems: string[] = [];
  private readonly rows: DescribedSetting[] = [];

  constructor(private readonly environment: Environment) {}

  /** `fallback` is the default as it would stand in the environment; null where it cannot be derived after a problem. */
  required<T>(definition: Definition<T> & { readonly fallback: string | null }): T {
    const text = this.given(definition);
    this.row(definition, text, definition.fallback ?? '');
    const used = text ?? definition.fallback;
    return (used === null ? null : this.parse(definition, used, text !== null)) as T;
  }

  /** `otherwise` says for people what happens without the variable. */
  optional<T>(definition: Definition<T> & { readonly otherwise: string }): T | null {
    const text = this.given(definition);
    this.row(definition, text, definition.otherwise);
    return text === null ? null : this.parse(definition, text, true);
  }

  /** Whether a variable that was read is missing. */
  isUnset(name: string): boolean {
    return this.rows.some((row) => row.name === name && row.source === 'default');
  }

  /** A problem of several variables together. */
  refuse(problem: string): void {
    this.problems.push(problem);
  }

  unknown(): readonly string[] {
    const known = new Set(this.rows.map(({ name }) => name));
    return Object.keys(this.environment)
      .filter((name) => name.startsWith('SYMBOLON_') && !known.has(name))
      .sort();
  }

  described(): readonly DescribedSetting[] {
    if (this.problems.length > 0) throw new SettingsError(this.problems);
    return this.rows;
  }

  private given({ name, emptyIsSet }: Definition<unknown>): string | null {
    const text = this.environment[name];
    return text === undefined || (text === '' && !emptyIsSet) ? null : text;
  }

  private row({ name, effect, secret }: Definition<unknown>, text: string | null, fallback: string): void {
    const value = text === null ? fallback : secret === undefined ? text : masked(text, secret);
    this.rows.push({ name, value, default: fallback, effect, source: text === null ? 'default' : 'environment' });
  }

  private parse<T>({ name, secret, read }: Definition<T>, text: string, shown: boolean): T | null {
    try {
      return read(text);
    } catch (error) {
      // What has an @ may hold credentials, whatever the variable is meant for.
      const found =
        shown && secret === undefined && !text.includes('@') ? `, but is ${JSON.stringify(text.slice(0, 100))}` : '';
      this.problems.push(`${name} ${(error as Error).message}${found}.`);
      return null;
    }
  }
}

function masked(text: string, secret: 'whole' | 'password'): string {
  if (secret === 'whole' || !URL.canParse(text)) return '[secret]';
  const url = new URL(text);
  if (url.password) url.password = 'secret';
  for (const name of [...url.searchParams.keys()]) {
    if (/pass|key|secret|token/i.test(name)) url.searchParams.set(name, 'secret');
  }
  return url.href;
}
