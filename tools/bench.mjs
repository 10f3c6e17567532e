// npm run bench: measures what docs/benchmarks.md shows. Starts everything itself, on loopback and in temporary folders.
// Usage: npm run bench [-- NAME…]   NAME: appends, commands, exchange, batch, million, votes, login, file, start. Without names: all, and the page is written.
// SYMBOLON_BENCH_PROFILE=DIR has server and device leave processor profiles there.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root, say } from './prepare.mjs';

if (!(await prepare())) process.exit(1);

const { apps, build, bundle, isBuilt } = await import('./build.mjs');
const stale = apps.filter((app) => !isBuilt(app));
if (stale.length > 0) {
  say(`Building ${stale.join(', ')} …`);
  await build(stale);
}
for (const part of ['main', 'append-load', 'http-load', 'file-load', 'insert-server']) {
  await bundle(join(root, 'tools/bench', `${part}.ts`), join(root, 'dist/bench', `${part}.cjs`));
}

const child = spawn(
  process.execPath,
  ['--enable-source-maps', join(root, 'dist/bench/main.cjs'), ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
