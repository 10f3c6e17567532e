// npm test: installs what is missing, runs every test with a throw-away PostgreSQL of its own, and ends with a plain count.
// Tests of the RabbitMQ carrier start nodes of their own.
// Usage: npm test [-- PATH…]
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareBroker } from './broker.mjs';
import { prepare, root, say } from './prepare.mjs';

if (!(await prepare())) process.exit(1);
await prepareBroker();

const { apps, build, isBuilt } = await import('./build.mjs');
const stale = apps.filter((app) => !isBuilt(app));
if (stale.length > 0) {
  say(`Building ${stale.join(', ')} …`);
  await build(stale);
}

// The whole takes about ten minutes on two cores; what takes longer hangs.
const patience = Number(process.env.SYMBOLON_TEST_MINUTES ?? 45);

const folder = mkdtempSync(join(tmpdir(), 'symbolon-test-'));
const results = join(folder, 'results.json');
const child = spawn(
  process.execPath,
  [
    '--expose-gc',
    join(root, 'node_modules/jest/bin/jest.js'),
    '--json',
    `--outputFile=${results}`,
    '--silent=false',
    '--forceExit',
    ...process.argv.slice(2),
  ],
  // A process group of its own, so that whatever a test left behind ends with it and holds nobody's output open.
  {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
    env: { ...process.env, SYMBOLON_PROGRAMS_BUILT: '1' },
  },
);
const endAll = () => {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nothing is left of it.
  }
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => (endAll(), process.exit(1)));
const limit = setTimeout(() => {
  say(`The tests did not end within ${patience} minutes and are broken off.`);
  endAll();
}, patience * 60_000);
const status = await new Promise((resolve) => {
  child.on('error', () => resolve(127));
  child.on('exit', (code) => resolve(code ?? 1));
});
clearTimeout(limit);
endAll();
let counts = { passed: 0, failed: 1 };
try {
  const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(results, 'utf8'));
  counts = { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
} catch {
  say('The test runner ended without results.');
}
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
process.exit(status === 0 && counts.failed === 0 && counts.passed > 0 ? 0 : 1);
