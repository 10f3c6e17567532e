import { createReadStream } from 'node:fs';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import {
  type BodyCipher,
  type ByteSource,
  type ListedToken,
  Refused,
  type StoreOptions,
  type TokenFilters,
} from '@symbolon/sdk';
import { type Context, nodeCipher } from './context';
import { CliError } from './failure';
import { readableSize, table } from './terminal';

/** Up to here a file is read into memory and travels in one call. */
const SMALL = 128 * 1024;
/** From here on Node's own cryptography is worth its loading. */
const LARGE = 8 * 1024 * 1024;
const PIECE = 256 * 1024;

export interface PutOptions {
  readonly context?: string;
  readonly ttl?: number;
  readonly raw?: boolean;
  readonly pad?: boolean;
  readonly plainMeta?: boolean;
}

/** Exchanges a file, or with `-` what comes by stdin, for a data token. */
export async function put(context: Context, file: string, options: PutOptions): Promise<void> {
  const { terminal } = context;
  const size = file === '-' ? null : await sizeOf(file);
  if (options.pad && size === null) throw new CliError('--pad needs a file: its length must be known from the start.');
  const name = file === '-' ? null : basename(file);

  await context.session({ channel: true, cipher: () => cipherFor(size) }, async (session) => {
    const progress = terminal.progress('put', size);
    const store: StoreOptions = {
      context: options.context ?? (options.plainMeta && name ? name.slice(0, 255) : undefined),
      describe:
        name && !(options.raw && !options.plainMeta)
          ? { fileName: name, extension: extname(name).slice(1), size: size ?? undefined }
          : undefined,
      plainMeta: options.plainMeta,
      ttl: options.ttl,
      raw: options.raw,
      padTo: options.pad ? size! : undefined,
      onProgress: (bytes) => progress.to(bytes),
      signal: context.signal,
    };
    const stored = await session.store(await sourceOf(context, file, size), store).finally(() => progress.end());
    terminal.result(stored, stored.token);
    if (stored.described === false) terminal.hint('The file is stored, but not its name: the server did not take it.');
  });
}

async function sourceOf(context: Context, file: string, size: number | null): Promise<ByteSource> {
  if (file === '-') return context.terminal.surroundings.stdin;
  if (size !== null && size <= SMALL) return new Uint8Array(await readFile(file));
  return createReadStream(file, { highWaterMark: PIECE });
}

function cipherFor(size: number | null): Promise<BodyCipher> | undefined {
  return size === null || size >= LARGE ? nodeCipher() : undefined;
}

async function sizeOf(file: string): Promise<number | null> {
  const found = await stat(file);
  if (found.isDirectory()) throw new CliError(`${file} is a directory.`);
  return found.isFile() ? found.size : null;
}

export interface GetOptions {
  readonly output: string;
  readonly raw?: boolean;
  readonly atLeast?: number;
}

/**
 * Fetches the data of a token into a file that appears only when it is whole, or with `-` to stdout, where what was
 * written counts only if the program ends well.
 */
export async function get(context: Context, token: string, options: GetOptions): Promise<void> {
  const { terminal, signal } = context;
  const toStdout = options.output === '-';
  if (toStdout && terminal.json) throw new CliError('--json and `-o -` both want stdout: give a file.');

  await context.session({ channel: true, cipher: cipherFor }, async (session) => {
    const { stream, version, size } = await session.fetch(token, {
      raw: options.raw,
      atLeast: options.atLeast,
      signal,
    });
    const progress = terminal.progress('get', size);
    const target = toStdout ? null : await Draft.beside(options.output);
    let bytes = 0;
    const reader = stream.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (target) await target.write(value);
        else await written(terminal.surroundings.stdout, value);
        bytes += value.length;
        progress.to(bytes);
      }
      await target?.keep();
    } catch (error) {
      await reader.cancel().catch(() => undefined);
      await target?.drop();
      throw error;
    } finally {
      progress.end();
    }
    if (!toStdout) {
      const document = { token, version, size: bytes, file: options.output };
      terminal.result(document, '');
      if (!terminal.json) terminal.hint(`${options.output}: ${readableSize(bytes)}`);
    }
  });
}

function written(output: NodeJS.WritableStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => output.write(bytes, (error) => (error ? reject(error) : resolve())));
}

/**
 * A file under a provisional name, which takes its place whole or not at all. What is no file, a pipe or a device, is
 * written as it is: a file in its place would be the end of it.
 */
class Draft {
  private constructor(
    private readonly path: string,
    /** Null: there is none. */
    private readonly draft: string | null,
    private readonly handle: Awaited<ReturnType<typeof open>>,
  ) {}

  static async beside(path: string): Promise<Draft> {
    const found = await stat(path).catch(() => null);
    if (found?.isDirectory()) throw new CliError(`${path} is a directory.`);
    if (found && !found.isFile()) return new Draft(path, null, await open(path, 'w'));
    const place = found ? await realpath(path) : path;
    const folder = dirname(place);
    const draft = join(folder, `.${basename(place)}.${process.pid}.part`);
    const handle = await open(draft, 'w', 0o600).catch((error: Error) => {
      throw Object.assign(error, { path: folder });
    });
    return new Draft(place, draft, handle);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.handle.writeFile(bytes);
  }

  async keep(): Promise<void> {
    if (this.draft !== null) await this.handle.sync();
    await this.handle.close();
    if (this.draft !== null) await rename(this.draft, this.path);
  }

  async drop(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    if (this.draft !== null) await rm(this.draft, { force: true });
  }
}

export interface ListOptions {
  readonly context?: string;
  readonly name?: string;
  readonly extension?: string;
  readonly status?: 'temporary' | 'permanent';
  readonly page?: number;
  readonly perPage?: number;
  readonly all?: boolean;
}

const EVERY = 100;

/** Lists data tokens, newest first. */
export async function list(context: Context, options: ListOptions): Promise<void> {
  const { name, page = 1, perPage, all = false, context: tokenContext, extension, status } = options;
  const filters: TokenFilters = Object.fromEntries(
    Object.entries({ fileName: name, context: tokenContext, extension, status }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  await context.session({ channel: false }, async (session) => {
    const found = await session.list(filters, { page, perPage: all ? EVERY : perPage }, context.signal);
    const items: ListedToken[] = [...found.items];
    for (let next = page + 1; all && items.length < found.meta.count; next++) {
      const more = await session.list(filters, { page: next, perPage: EVERY }, context.signal);
      if (more.items.length === 0) break;
      items.push(...more.items);
    }
    const rows = items.map((item) => [
      item.token,
      item.status,
      item.size === null ? '' : readableSize(item.size),
      item.createdAt,
      item.sealed?.fileName ?? item.meta.file?.fileName ?? item.context,
    ]);
    context.terminal.result(
      { items, meta: all ? { count: items.length } : found.meta },
      items.length === 0 ? '' : table(['TOKEN', 'STATUS', 'SIZE', 'CREATED', 'NAME'], rows),
    );
    if (!context.terminal.json && items.length < found.meta.count) {
      context.terminal.hint(`${items.length} of ${found.meta.count}; --page N or --all shows more.`);
    }
  });
}

/** Deletes tokens one after another; the first refusal ends it. */
export async function remove(context: Context, tokens: readonly string[]): Promise<void> {
  const deleted: string[] = [];
  await context.session({ channel: true }, async (session) => {
    try {
      for (const token of tokens) {
        await session.delete(token, context.patience);
        deleted.push(token);
      }
    } finally {
      if (deleted.length > 0 && deleted.length < tokens.length) {
        context.terminal.hint(`Deleted before the failure: ${deleted.join(' ')}`);
      }
    }
  });
  context.terminal.result({ deleted }, '');
}

/** Shows the status of a command; with `wait`, once it is final. A rejected command is a refusal. */
export async function status(context: Context, commandId: string, wait: boolean): Promise<void> {
  await context.session({ channel: wait }, async (session) => {
    if (wait) await session.outcome(commandId, context.patience).catch(ignoreRejection);
    const found = await session.status(commandId, { signal: context.signal });
    if (found.status === 'rejected') throw new Refused({ key: found.reason ?? 'internal_error', commandId });
    context.terminal.result(found, `${found.status}  ${found.type}`);
  });
}

function ignoreRejection(error: unknown): void {
  if (!(error instanceof Refused) || error.status !== null) throw error;
}
