// npm start: makes sure that everything is there, then runs the server in one process. Needs nothing but Node and npm.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root, say } from './prepare.mjs';

if (!(await prepare())) process.exit(1);

const { isBuilt, markBuilt } = await import('./build.mjs');
const apps = ['standalone', 'device-agent', 'cli'];
if (!apps.every(isBuilt)) {
  say('Building what changed …');
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'build', '-p', apps.join(',')],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' },
    },
  );
  if (status !== 0) {
    say('The build failed; `npm run build` shows why.');
    process.exit(1);
  }
  apps.forEach(markBuilt);
}

const child = spawn(
  process.execPath,
  ['--enable-source-maps', join(root, 'dist/apps/standalone/main.cjs'), ...process.argv.slice(2)],
  {
    cwd: process.env.INIT_CWD ?? root,
    stdio: 'inherit',
    env: { ...process.env, SYMBOLON_DATA_DIR: process.env.SYMBOLON_DATA_DIR ?? join(root, '.symbolon') },
  },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
