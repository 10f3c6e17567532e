// npm test: installs what is missing, runs every test with a throw-away PostgreSQL of its own, and ends with a plain count.
// Usage: npm test [-- PATH…]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, root, say } from './prepare.mjs';

if (!(await prepare())) process.exit(1);

const { apps, build, isBuilt } = await import('./build.mjs');
const stale = apps.filter((app) => !isBuilt(app));
if (stale.length > 0) {
  say(`Building ${stale.join(', ')} …`);
  await build(stale);
}

const folder = mkdtempSync(join(tmpdir(), 'symbolon-test-'));
const results = join(folder, 'results.json');
const { status } = spawnSync(
  process.execPath,
  [
    '--expose-gc',
    join(root, 'node_modules/jest/bin/jest.js'),
    '--json',
    `--outputFile=${results}`,
    '--silent=false',
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
);
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
