// RabbitMQ for the tests: installed where that can be done without asking anybody.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { say } from './prepare.mjs';

/** What the tests start a node of their own with. */
const program = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Tries once; where it cannot be had, the tests that need it fail and say so. */
export async function prepareBroker() {
  if (existsSync(program) || process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).error) return;
  say('Installing RabbitMQ for the tests …');
  const begun = Date.now();
  const progress = setInterval(() => say(`Installing RabbitMQ … ${Math.round((Date.now() - begun) / 1000)} s`), 5000);
  const installed =
    (await aptGet('install', '-y', '--no-install-recommends', 'rabbitmq-server')) ||
    ((await aptGet('update')) && (await aptGet('install', '-y', '--no-install-recommends', 'rabbitmq-server')));
  clearInterval(progress);
  if (!installed) say('RabbitMQ could not be installed: the tests that need it will fail.');
}

function aptGet(...args) {
  return new Promise((resolve) => {
    const child = spawn('apt-get', args, {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    child.on('error', () => resolve(false));
    child.on('exit', (code) => resolve(code === 0));
  });
}
