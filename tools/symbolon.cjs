#!/usr/bin/env node
// The `symbolon` command in a clone: builds what the command line needs where the sources have changed, then runs it.
const { existsSync } = require('node:fs');
const { homedir } = require('node:os');
const { join } = require('node:path');
const { spawnSync } = require('node:child_process');

/** The programs a command starts, beside the command line itself. */
function needed([first, second]) {
  if (first === 'up' || first === 'config') return ['cli', 'standalone', 'device-agent'];
  if (first === 'log' || first === 'projection' || (first === 'key' && second === 'rotate'))
    return ['cli', 'standalone'];
  return first === 'device' && second === 'run' ? ['cli', 'device-agent'] : ['cli'];
}

/** In a clone, who has no credentials of one's own is the profile of the tour. */
function useTour(root) {
  if (process.env.SYMBOLON_HOME) return;
  const own = join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'symbolon', 'credentials.json');
  const tour = join(process.env.SYMBOLON_DATA_DIR || join(root, '.symbolon'), 'client');
  if (!existsSync(own) && existsSync(join(tour, 'credentials.json'))) process.env.SYMBOLON_HOME = tour;
}

async function main() {
  const { prepare, root, say } = await import('./prepare.mjs');
  if (!(await prepare())) return process.exit(1);
  const { isBuilt } = await import('./build.mjs');
  const stale = needed(process.argv.slice(2)).filter((app) => !isBuilt(app));
  if (stale.length > 0) {
    say(`Building ${stale.join(', ')} …`);
    const { status } = spawnSync(process.execPath, [join(root, 'tools/build.mjs'), ...stale], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    });
    if (status !== 0) {
      say('The build failed; `npm run build` shows why.');
      return process.exit(1);
    }
  }
  // The same data as `npm start`.
  process.env.SYMBOLON_DATA_DIR ??= join(root, '.symbolon');
  useTour(root);
  require(join(root, 'dist/apps/cli/main.cjs'));
}

void main();
