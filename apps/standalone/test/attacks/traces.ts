import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pool } from 'pg';

/** Every file below a folder, but for those that go while they are looked at. */
export function filesBelow(folder: string): Array<{ readonly path: string; readonly bytes: Buffer }> {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .flatMap((path) => {
      try {
        return [{ path, bytes: readFileSync(path) }];
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      }
    });
}

/** Every row of every table of every schema as text, table by table: what a dump holds. */
export async function databaseDump(pool: Pool): Promise<ReadonlyMap<string, string>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`,
  );
  const dump = new Map<string, string>();
  for (const { name } of tables) {
    const { rows } = await pool.query<{ row: string }>(`select t::text as row from ${name} t`);
    dump.set(name, rows.map(({ row }) => row).join('\n'));
  }
  return dump;
}

/** A piece of this length identifies what it was taken from: bytes of a random value, of a key, of a payload. */
const telling = 16;

/** All that somebody got hold of, to be searched for a value in every form in which one is usually written. */
export class Haystack {
  private readonly places = new Map<string, string>();

  add(place: string, content: string | Uint8Array): this {
    const added = Buffer.from(content as string).toString('latin1');
    this.places.set(place, `${this.places.get(place) ?? ''}\n${added}`);
    return this;
  }

  addFiles(folder: string): this {
    for (const { path, bytes } of filesBelow(folder)) this.add(path, path).add(path, bytes);
    return this;
  }

  async addDatabase(pool: Pool): Promise<this> {
    for (const [table, text] of await databaseDump(pool)) this.add(table, text);
    return this;
  }

  /** Bytes that are searched. */
  get size(): number {
    return [...this.places.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Places that hold the value, its beginning or its end: as it is, in hex, in base64 of any alignment. */
  find(value: string | Uint8Array): string[] {
    const bytes = Buffer.from(value as string);
    if (bytes.length < 6) throw new Error('too short to be told from chance');
    const pieces = [bytes.subarray(0, telling), bytes.subarray(-telling)];
    const forms = new Set(pieces.flatMap(formsOf));
    return [...this.places].flatMap(([place, text]) => ([...forms].some((form) => text.includes(form)) ? [place] : []));
  }
}

function formsOf(piece: Buffer): string[] {
  const hex = piece.toString('hex');
  const base64 = [0, 1, 2].flatMap((shift) => {
    // Characters that depend on a neighbour's bits are left out.
    const whole = Math.floor(((shift + piece.length) * 8) / 6);
    const text = Buffer.concat([Buffer.alloc(shift), piece])
      .toString('base64')
      .slice(Math.ceil((shift * 8) / 6), whole);
    return [text, text.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return [piece.toString('latin1'), hex, hex.toUpperCase(), ...base64];
}
