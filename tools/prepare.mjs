// Installs the locked dependencies when they are missing or other than the lock file says.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'node_modules/.symbolon-installed');

export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** True when everything is there; otherwise a sentence has been said. */
export async function prepare() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19) || major >= 25) {
    say(
      `Symbolon needs Node 20.19 or newer, below 25; this is ${process.versions.node}. Install one from https://nodejs.org and start again.`,
    );
    return false;
  }
  const locked = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === locked) return true;
  if (!existsSync(join(root, 'node_modules')) || !(await looksInstalled())) {
    if (!(await install())) return false;
  }
  writeFileSync(stamp, locked);
  return true;
}

/** npm keeps its own copy of the lock file of what lies in node_modules. */
async function looksInstalled() {
  const hidden = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hidden)) return false;
  const packages = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;
  const [there, wanted] = [packages(hidden), packages(join(root, 'package-lock.json'))];
  return Object.entries(wanted).every(
    ([name, { version, optional }]) => name === '' || optional || there[name]?.version === version,
  );
}

async function install() {
  const begun = Date.now();
  const progress = setInterval(
    () => say(`Installing dependencies … ${Math.round((Date.now() - begun) / 1000)} s`),
    5000,
  );
  say('Installing dependencies …');
  let output = '';
  // Not `npm ci`: it refuses a lock file without the optional packages of every platform, which not every registry
  // carries. This takes the locked versions as well, and leaves the lock file alone.
  const code = await new Promise((resolve) => {
    const child = spawn('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => (output = (output + chunk).slice(-4000)));
    child.on('error', () => resolve(127));
    child.on('exit', resolve);
  });
  clearInterval(progress);
  if (code === 0) return true;
  say(output.trim());
  say(
    'The dependencies could not be installed. The npm registry must be reachable and the disk must have about 700 MB free; then start again.',
  );
  return false;
}
