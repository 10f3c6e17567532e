import { chmod, mkdir, open, rename, rm, rmdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { exits } from '@symbolon/contracts';
import { ProfileKeys } from '@symbolon/sdk';
import { CliError } from './failure';

/** Who is signed in at a server. `pin`: fingerprint of the server's key as it was first seen. */
export interface SignedIn {
  readonly username: string;
  readonly profileId: string;
  readonly token: string;
  readonly expiresAt: string;
  readonly pin: string;
}

interface Content {
  readonly version: 1;
  /** By origin of the server. */
  readonly servers: Readonly<Record<string, SignedIn>>;
  /** Key bundles by profile id, base64url: they outlive any login, for without them nothing can be opened. */
  readonly keys: Readonly<Record<string, string>>;
}

const empty: Content = { version: 1, servers: {}, keys: {} };

/** Directory of the program's own files: `$SYMBOLON_HOME`, else `~/.config/symbolon`. */
export function homeDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env['SYMBOLON_HOME'] || join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'symbolon');
}

/** Replaces a file as a whole, with mode 0600: after a crash there is the old content or the new one. */
export async function writePrivately(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.new`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      // The mode of `open` is reduced by the umask; this is not.
      await handle.chmod(0o600);
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Tokens and keys, in a file that its owner alone can read. */
export class Credentials {
  constructor(readonly path: string) {}

  static at(env: Readonly<Record<string, string | undefined>>): Credentials {
    return new Credentials(join(homeDirectory(env), 'credentials.json'));
  }

  async signedIn(origin: string): Promise<SignedIn | null> {
    return (await this.read()).servers[origin] ?? null;
  }

  async signIn(origin: string, login: SignedIn): Promise<void> {
    await this.change((content) => ({ ...content, servers: { ...content.servers, [origin]: login } }));
  }

  async signOut(origin: string): Promise<void> {
    await this.change(({ servers: { [origin]: _, ...servers }, ...content }) => ({ ...content, servers }));
  }

  async keys(profileId: string): Promise<ProfileKeys | null> {
    const bundle = (await this.read()).keys[profileId];
    return bundle === undefined ? null : ProfileKeys.fromBytes(Uint8Array.from(Buffer.from(bundle, 'base64url')));
  }

  async keepKeys(profileId: string, keys: ProfileKeys): Promise<void> {
    const bundle = Buffer.from(keys.toBytes()).toString('base64url');
    await this.change((content) => ({ ...content, keys: { ...content.keys, [profileId]: bundle } }));
  }

  /** Reads, changes and replaces, one program after another: a lost key could not be made again. */
  private async change(next: (content: Content) => Content): Promise<void> {
    await makePrivateDirectory(dirname(this.path));
    const lock = `${this.path}.lock`;
    await takeLock(lock);
    try {
      await writePrivately(this.path, `${JSON.stringify(next(await this.read()), null, 2)}\n`);
    } finally {
      await rmdir(lock);
    }
  }

  private async read(): Promise<Content> {
    let handle;
    try {
      handle = await open(this.path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty;
      throw error;
    }
    try {
      const { mode } = await handle.stat();
      if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
        throw new CliError(
          `${this.path} can be read by others and is not used. If nobody else has had it: chmod 600 ${this.path}`,
          exits.forbidden,
          'credentials_exposed',
        );
      }
      return { ...empty, ...(JSON.parse(await handle.readFile('utf8')) as Partial<Content>) };
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new CliError(`${this.path} is damaged. Restore it from a backup: it holds your keys.`, exits.unexpected);
    } finally {
      await handle.close();
    }
  }
}

/** A lock is held for milliseconds; one that is older than this was left by a program that was killed. */
const STALE_LOCK_MS = 10_000;

async function takeLock(path: string): Promise<void> {
  for (;;) {
    try {
      return await mkdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const held = await stat(path).catch(() => null);
    if (held && Date.now() - held.mtimeMs > STALE_LOCK_MS) await rmdir(path).catch(() => undefined);
    else await setTimeout(20);
  }
}

/** Makes a directory that is its owner's alone. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
}
