import { Client, type QueryResult } from 'pg';

type Answer = (error: Error | undefined, result: QueryResult) => void;

/** Statements with names of their own; whatever comes after them is parsed and planned at every call. */
const most = 500;
const names = new Map<string, string>();

/**
 * A connection that prepares every statement with parameters at its first call and from then on only names it: parsing
 * and planning cost more than most of our statements do.
 */
export class PreparingClient extends Client {
  private generation = 0;

  // The signatures of `pg` are overloads; those that are met here are the ones with a text and an array.
  override query(...given: never[]): never {
    const [text, values, callback] = given as unknown as [unknown, unknown, Answer | undefined];
    const known = typeof text === 'string' && Array.isArray(values) && values.length > 0 ? nameOf(text) : null;
    const ask = super.query.bind(this) as unknown as (...all: unknown[]) => unknown;
    if (known === null) return ask(...given) as never;

    const prepared = (answer: Answer) => ask({ name: `${known}.${this.generation}`, text, values }, answer);
    const run = (answer: Answer) =>
      prepared((error, result) => {
        if (!isOutdated(error)) return answer(error, result);
        this.generation++;
        prepared(answer);
      });
    if (callback) return run(callback) as never;
    return new Promise((resolve, reject) => {
      run((error, result) => (error ? reject(error) : resolve(result)));
    }) as never;
  }
}

/**
 * Plans are kept per connection and must stay good while the tables grow from nothing. For look-ups by key one plan does
 * for all values; lists choose by value, and some of their indexes are read through bitmaps.
 */
export const planning = {
  lookups: '-c enable_seqscan=off -c enable_bitmapscan=off -c plan_cache_mode=force_generic_plan',
  lists: '-c enable_seqscan=off',
} as const;

function nameOf(text: string): string | null {
  const name = names.get(text);
  if (name !== undefined) return name;
  if (names.size === most) return null;
  const made = `s${names.size}`;
  names.set(text, made);
  return made;
}

/** Another process has changed the columns of a table: the statement has to be prepared anew. */
function isOutdated(error: Error | undefined): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  return code === '0A000' && /cached plan/.test(message ?? '');
}
