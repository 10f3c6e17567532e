import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { uuid7 } from '@symbolon/crypto';

const draftEnd = '.new';

/** Makes what was renamed into, made in or removed from a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file as a whole: after a crash there is the old content or the new, durable when resolved. Mode 0600. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const draft = `${path}.${uuid7()}${draftEnd}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Removes what a crash in the middle of `replaceFile` left in a directory. */
export async function sweepDrafts(dir: string): Promise<void> {
  for (const name of await readdir(dir)) if (name.endsWith(draftEnd)) await rm(join(dir, name), { force: true });
}

/** Removes a file if it is there, durable when resolved. */
export async function dropFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** The bytes of a file, or null if there is none. */
export async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ENOENT';
}

/**
 * Lets many callers share one run of `work`: whoever calls while a run is under way waits for the next one,
 * because the running one may have begun too early to cover him.
 */
export class Batched {
  private running: Promise<void> | null = null;
  private next: Promise<void> | null = null;

  constructor(private readonly work: () => Promise<void>) {}

  run(): Promise<void> {
    if (this.next) return this.next;
    if (!this.running) return this.start();
    const after = this.running.then(
      () => this.start(),
      () => this.start(),
    );
    this.next = after;
    return after;
  }

  private start(): Promise<void> {
    this.next = null;
    const run = this.work().finally(() => {
      if (this.running === run) this.running = null;
    });
    this.running = run;
    return run;
  }
}
