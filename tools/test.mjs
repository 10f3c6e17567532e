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
let endAll = () => undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => (endAll(), process.exit(1)));
const limit = setTimeout(() => {
  say(`The tests did not end within ${patience} minutes and are broken off.`);
  endAll();
}, patience * 60_000);

/** Runs Jest; null where it ended without results. */
async function run(name, ...args) {
  const results = join(folder, `${name}.json`);
  const jest = join(root, 'node_modules/jest/bin/jest.js');
  const child = spawn(
    process.execPath,
    ['--expose-gc', jest, '--json', `--outputFile=${results}`, '--silent=false', '--forceExit', ...args],
    // A process group of its own, so that whatever a test left behind ends with it and holds nobody's output open.
    {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
      env: { ...process.env, SYMBOLON_PROGRAMS_BUILT: '1' },
    },
  );
  endAll = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nothing is left of it.
    }
  };
  await new Promise((resolve) => child.on('error', resolve).on('exit', resolve));
  endAll();
  try {
    return JSON.parse(readFileSync(results, 'utf8'));
  } catch {
    return null;
  }
}

const count = (suites) => {
  const tests = suites.flatMap(({ assertionResults }) => assertionResults);
  const broken = suites.filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0);
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: tests.filter(({ status }) => status === 'failed').length + broken.length,
  };
};

const first = await run('first', ...process.argv.slice(2));
let suites = first?.testResults ?? [];
const failed = suites.filter(({ status }) => status === 'failed').map(({ name }) => name);
// Nobody is there to start a suite again that met an unlucky moment on a busy machine: it gets one more try, alone and
// from its beginning. What went wrong the first time stands above.
if (process.env.CI && failed.length > 0 && failed.length <= 10) {
  say(`${failed.length} of ${suites.length} suites failed and are tried once more.`);
  const second = await run('second', '--maxWorkers=1', '--runTestsByPath', ...failed);
  const again = new Map(second?.testResults.map((suite) => [suite.name, suite]));
  suites = suites.map((suite) => again.get(suite.name) ?? suite);
}
clearTimeout(limit);
if (!first) say('The test runner ended without results.');
rmSync(folder, { recursive: true, force: true });
const { passed, failed: left } = first ? count(suites) : { passed: 0, failed: 1 };
process.stdout.write(`${passed} passed, ${left} failed\n`);
process.exit(left === 0 && passed > 0 ? 0 : 1);
