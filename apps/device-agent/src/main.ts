// The pool of file operations is made at the first of them: enough threads for writes that wait for the disk.
process.env['UV_THREADPOOL_SIZE'] ??= '16';

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { roleNames, type RoleName, runAgent } from './agent';
import { readRules, type Rules } from './authenticator/rules';
import { Screen } from './authenticator/screen';
import { exits } from './halt';
import { carriers } from './home';
import { logTo } from './log';

const usage = `Usage: device-agent run --dir DIR [--role ROLES] [--rules FILE] [--carrier CARRIER] [--json] [--pair-anew] [--attached]
       device-agent check --rules FILE

Runs a device on the directory DIR, which holds device.json (its configuration) and login.json
({"url","username","password"}). Everything else in DIR is made and kept by the agent.
\`check\` says whether a rules file can be used, and runs nothing.

  --role       what the device does: storage (default), authenticator, or both as storage,authenticator
  --rules      decide on ballots by the rules in this file; without it they are asked at the terminal
  --carrier    websocket (default), or rabbitmq where the configuration has the rabbit keys
  --json       tell what happens as JSON lines
  --pair-anew  trust the server's present keys instead of those seen at the first start
  --attached   end when the standard input ends, that is with the program that started it
`;

async function main(args: readonly string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        dir: { type: 'string' },
        role: { type: 'string', default: 'storage' },
        rules: { type: 'string' },
        carrier: { type: 'string', default: 'websocket' },
        json: { type: 'boolean', default: false },
        'pair-anew': { type: 'boolean', default: false },
        attached: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : 'wrong arguments'}\n\n${usage}`);
    return exits.usage;
  }
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(usage);
    return exits.stopped;
  }
  const [verb, ...others] = positionals;
  const { dir } = values;
  if (others.length > 0 || (verb === 'check' ? values.rules === undefined : verb !== 'run' || !dir)) {
    process.stderr.write(usage);
    return exits.usage;
  }

  let rules: Rules | undefined;
  try {
    rules = values.rules === undefined ? undefined : readRules(readFileSync(values.rules, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown';
    process.stderr.write(`The rules in ${values.rules} cannot be used: ${reason}.\n`);
    return exits.usage;
  }
  if (verb === 'check' || !dir) return exits.stopped;

  const roles = values.role.split(',').filter((name) => name !== '');
  if (roles.length === 0 || !roles.every(isRoleName)) {
    process.stderr.write(`--role takes ${roleNames.join(', ')} or both with a comma between\n`);
    return exits.usage;
  }
  const carrier = carriers.find((name) => name === values.carrier);
  if (carrier === undefined) {
    process.stderr.write(`--carrier takes ${carriers.join(' or ')}\n`);
    return exits.usage;
  }
  if (rules && !roles.includes('authenticator')) {
    process.stderr.write('--rules is for a device with the role authenticator\n');
    return exits.usage;
  }
  const asks = roles.includes('authenticator') && process.stdin.isTTY && !values.json && !values.attached;
  const screen = new Screen(process.stdout);
  const log = logTo(screen, values.json);
  const agent = runAgent({
    dir,
    log,
    pairAnew: values['pair-anew'],
    roles,
    carrier,
    voting: {
      ...(rules ? { rules } : {}),
      ...(asks ? { terminal: { input: process.stdin, screen } } : {}),
    },
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void agent.stop());
  if (values.attached) process.stdin.on('close', () => void agent.stop()).resume();
  const { exit, sentence } = await agent.ended;
  process.stdin.destroy();
  if (sentence !== null) {
    if (values.json) log('halted', { exit, sentence });
    process.stderr.write(`${sentence}\n`);
  }
  return exit;
}

function isRoleName(text: string): text is RoleName {
  return (roleNames as readonly string[]).includes(text);
}

void main(process.argv.slice(2)).then((code) => (process.exitCode = code));
