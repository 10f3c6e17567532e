import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Code that must not pass, at the place where it would stand, and the rule that must stop it. */
const offences: ReadonlyArray<readonly [title: string, path: string, code: string, rule: string, says: RegExp]> = [
  [
    'the kernel imports a package',
    'libs/kernel/src/clock.ts',
    `import { Pool } from 'pg';\nexport const pool = Pool;\n`,
    '@nx/enforce-module-boundaries',
    /layer:kernel.*not allowed to import|banned/,
  ],
  [
    'the kernel imports a platform library',
    'libs/kernel/src/clock.ts',
    `import { Settings } from '@symbolon/settings';\nexport const settings = Settings;\n`,
    '@nx/enforce-module-boundaries',
    /layer:kernel/,
  ],
  [
    'contracts import a package',
    'libs/contracts/src/reasons.ts',
    `import { pino } from 'pino';\nexport const log = pino;\n`,
    '@nx/enforce-module-boundaries',
    /not allowed to import|banned/,
  ],
  [
    'a context imports another context',
    'libs/token-vault/src/token-vault.module.ts',
    `import { IdentityModule } from '@symbolon/identity';\nexport const other = IdentityModule;\n`,
    '@nx/enforce-module-boundaries',
    /scope:token-vault/,
  ],
  [
    'a context imports the database driver',
    'libs/identity/src/identity.module.ts',
    `import { Pool } from 'pg';\nexport const pool = Pool;\n`,
    '@nx/enforce-module-boundaries',
    /not allowed to import|banned/,
  ],
  [
    'a platform library imports what is no platform',
    'libs/settings/src/forms.ts',
    `import { ProfileKeys } from '@symbolon/sdk';\nexport const keys = ProfileKeys;\n`,
    '@nx/enforce-module-boundaries',
    /layer:platform/,
  ],
  [
    'the SDK imports a server package',
    'libs/sdk/src/refused.ts',
    `import { Module } from '@nestjs/common';\nexport const module_ = Module;\n`,
    '@nx/enforce-module-boundaries',
    /not allowed to import|banned/,
  ],
  [
    'the SDK imports a Node module',
    'libs/sdk/src/refused.ts',
    `import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n`,
    'no-restricted-imports',
    /browsers/,
  ],
  [
    'an app imports another app',
    'apps/standalone/src/contexts.ts',
    `import { runAgent } from '../../device-agent/src/run';\nexport const run = runAgent;\n`,
    '@nx/enforce-module-boundaries',
    /layer:app|relative|Projects/,
  ],
  [
    'a decision imports Nest',
    'libs/identity/src/register-profile/register-profile.decide.ts',
    `import { Injectable } from '@nestjs/common';\nexport const rule = Injectable;\n`,
    'no-restricted-imports',
    /pure/,
  ],
  [
    'a model imports a Node module',
    'libs/identity/src/profile/profile.model.ts',
    `import { hostname } from 'node:os';\nexport const host = hostname;\n`,
    'no-restricted-imports',
    /pure/,
  ],
  [
    'a decision asks the clock',
    'libs/identity/src/register-profile/register-profile.decide.ts',
    `export const now = () => Date.now();\n`,
    'no-restricted-globals',
    /Date/,
  ],
  [
    'a decision throws dice',
    'libs/identity/src/register-profile/register-profile.decide.ts',
    `export const dice = () => Math.random();\n`,
    'no-restricted-properties',
    /Randomness/,
  ],
  [
    'a projection imports a model',
    'libs/identity/src/profile/profile-list.projection.ts',
    `import { profile } from './profile.model';\nexport const fold = profile;\n`,
    'no-restricted-imports',
    /events and rows/,
  ],
  [
    'a controller imports a model',
    'libs/identity/src/register-profile/register-profile.controller.ts',
    `import { profile } from '../profile/profile.model';\nexport const fold = profile;\n`,
    'no-restricted-imports',
    /queries/,
  ],
  [
    'a controller imports the event store',
    'libs/identity/src/register-profile/register-profile.controller.ts',
    `import { PostgresEventStore } from '@symbolon/event-store';\nexport const store = PostgresEventStore;\n`,
    'no-restricted-imports',
    /queries/,
  ],
  [
    'something else than a module imports an adapter',
    'libs/identity/src/login/login-guard.ts',
    `import { adapter } from '../adapters/one';\nexport const one = adapter;\n`,
    'no-restricted-imports',
    /binds an adapter/,
  ],
  [
    'a context imports cryptography',
    'libs/identity/src/login/login-guard.ts',
    `import { createHash } from 'node:crypto';\nexport const hash = createHash;\n`,
    'no-restricted-imports',
    /libs\/crypto/,
  ],
  [
    'a library imports the testing library',
    'libs/http/src/list.ts',
    `import { freshDatabase } from '@symbolon/testing';\nexport const database = freshDatabase;\n`,
    'no-restricted-imports',
    /for tests/,
  ],
  [
    'a promise is left alone',
    'libs/http/src/list.ts',
    `async function work(): Promise<void> {}\nexport function start(): void {\n  work();\n}\n`,
    '@typescript-eslint/no-floating-promises',
    /Promises must be awaited/,
  ],
  [
    'a switch forgets a case',
    'libs/http/src/list.ts',
    `export function of(kind: 'a' | 'b'): number {\n  switch (kind) {\n    case 'a':\n      return 1;\n  }\n  return 0;\n}\n`,
    '@typescript-eslint/switch-exhaustiveness-check',
    /not exhaustive/,
  ],
  [
    'work is left for later',
    'libs/http/src/list.ts',
    `// ${'TO'}${'DO'} later\nexport const later = 1;\n`,
    'no-warning-comments',
    /todo/i,
  ],
];

interface Message {
  readonly ruleId: string;
  readonly message: string;
}

/** ESLint loads its configuration as an ES module, which Jest cannot: it runs in a process of its own. */
function lint(texts: ReadonlyArray<{ path: string; code?: string }>): Message[][] {
  const program = join(__dirname, 'lint-texts.mjs');
  const env = { ...process.env, NX_DAEMON: 'false' };
  return JSON.parse(
    execFileSync(process.execPath, [program], { input: JSON.stringify(texts), encoding: 'utf8', env }),
  ) as Message[][];
}

let found: Message[][];

beforeAll(() => {
  found = lint(offences.map(([, path, code]) => ({ path, code })));
}, 120_000);

test.each(offences.map((offence, index) => [...offence, index] as const))(
  '%s: %s',
  (_title, _path, _code, rule, says, index) => {
    const messages = found[index]!.filter(({ ruleId }) => ruleId === rule).map(({ message }) => message);
    expect(messages.join('\n')).toMatch(says);
  },
);

test('what stands in these places now passes', () => {
  const places = [...new Set(offences.map(([, path]) => path))];
  const complaints = lint(places.map((path) => ({ path }))).flatMap((messages, index) =>
    messages.map(({ message }) => `${places[index]}: ${message}`),
  );
  expect(complaints).toEqual([]);
}, 120_000);
