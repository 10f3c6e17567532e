import { mkdirSync, openSync, closeSync, readFileSync, rmSync, statfsSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { removeEmbeddedPostgres } from '@symbolon/embedded-postgres';

/** Why the data directory cannot be used, as a sentence that says what to do. */
export class DataDirectoryError extends Error {}

export class DataDirectoryInUse extends DataDirectoryError {
  constructor(
    path: string,
    readonly pid: number,
  ) {
    super(`${path} is in use by a running Symbolon (process ${pid}): stop that one, or start with another --data-dir.`);
  }
}

interface Holder {
  readonly pid: number;
  /** Start time of that process in clock ticks since boot: a number that is used again is not the same process. */
  readonly startedAt: string | null;
}

const lockName = 'symbolon.lock';
const contents = ['parcels', 'client', 'agent', 'key-ring.sym', 'key-ring.master', 'tour.json'];
const leastFree = 64 * 1024 * 1024;

/** The folder of one server: one process at a time may hold it. */
export class DataDirectory {
  private constructor(readonly path: string) {}

  /** Makes the folder if it is missing and locks it. Throws `DataDirectoryError`. */
  static open(path: string): DataDirectory {
    try {
      mkdirSync(path, { recursive: true, mode: 0o711 });
      lock(path);
    } catch (error) {
      throw explained(path, error);
    }
    const { bavail, bsize } = statfsSync(path);
    if (bavail * bsize < leastFree) {
      unlinkSync(join(path, lockName));
      throw new DataDirectoryError(
        `The disk that holds ${path} is full: free some space (64 MiB at least) and start again.`,
      );
    }
    return new DataDirectory(path);
  }

  /** Deletes what a server keeps here, and nothing else. */
  async reset(): Promise<void> {
    await removeEmbeddedPostgres(this.file('postgres'));
    for (const name of contents) rmSync(join(this.path, name), { recursive: true, force: true });
  }

  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  release(): void {
    rmSync(join(this.path, lockName), { force: true });
  }
}

function lock(path: string): void {
  const file = join(path, lockName);
  for (;;) {
    try {
      const handle = openSync(file, 'wx', 0o600);
      writeSync(handle, JSON.stringify({ pid: process.pid, startedAt: startOf(process.pid) } satisfies Holder));
      closeSync(handle);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = holderOf(file);
      if (holder && isAlive(holder)) throw new DataDirectoryInUse(path, holder.pid);
      rmSync(file, { force: true });
    }
  }
}

function holderOf(file: string): Holder | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    return null;
  }
}

function isAlive({ pid, startedAt }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return startedAt === null || startOf(pid) === startedAt;
}

/** Field 22 of /proc/PID/stat (proc(5)); null where there is no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function explained(path: string, error: unknown): Error {
  if (error instanceof DataDirectoryError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOSPC':
      return new DataDirectoryError(`The disk that holds ${path} is full: free some space and start again.`);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new DataDirectoryError(
        `${path} cannot be written: give this user access to it, or start with another --data-dir.`,
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return new DataDirectoryError(`${path} is not a folder: name another with --data-dir.`);
    default:
      return new DataDirectoryError(`${path} cannot be used as data directory (${message}).`);
  }
}
