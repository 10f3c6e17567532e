import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createProjectGraphAsync } from '@nx/devkit';
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

// The fences between projects are silent without the graph of projects: nothing may be linted before it is there.
process.env.NX_DAEMON ??= 'false';
await createProjectGraphAsync().catch(() => {
  // Its cache is damaged, as by a run that was broken off: it is made anew.
  rmSync(join(import.meta.dirname, '.nx', 'workspace-data'), { recursive: true, force: true });
  return createProjectGraphAsync();
});

/** Who may import whom: by layer, and never one context another. */
const depConstraints = [
  { sourceTag: 'layer:kernel', onlyDependOnLibsWithTags: ['layer:kernel'], bannedExternalImports: ['*'] },
  {
    sourceTag: 'layer:contracts',
    onlyDependOnLibsWithTags: ['layer:kernel', 'layer:contracts'],
    bannedExternalImports: ['*'],
  },
  {
    sourceTag: 'layer:context',
    onlyDependOnLibsWithTags: ['layer:kernel', 'layer:contracts', 'layer:platform', 'layer:context', 'layer:testing'],
    bannedExternalImports: ['pg', 'amqp*', '@eventstore/*', '@grpc/*'],
  },
  {
    sourceTag: 'layer:platform',
    onlyDependOnLibsWithTags: ['layer:kernel', 'layer:contracts', 'layer:platform', 'layer:testing'],
  },
  {
    sourceTag: 'layer:sdk',
    onlyDependOnLibsWithTags: ['layer:contracts', 'layer:sdk', 'layer:testing'],
    bannedExternalImports: ['@nestjs/*', 'typeorm', 'pg'],
  },
  { sourceTag: 'layer:app', notDependOnLibsWithTags: ['layer:app'] },
  { sourceTag: 'layer:testing', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'layer:tools', onlyDependOnLibsWithTags: ['*'] },
  { sourceTag: 'scope:identity', onlyDependOnLibsWithTags: ['scope:identity', 'scope:shared'] },
  { sourceTag: 'scope:token-vault', onlyDependOnLibsWithTags: ['scope:token-vault', 'scope:shared'] },
  { sourceTag: 'scope:policy', onlyDependOnLibsWithTags: ['scope:policy', 'scope:shared'] },
  { sourceTag: 'scope:voting', onlyDependOnLibsWithTags: ['scope:voting', 'scope:shared'] },
  { sourceTag: 'scope:device-router', onlyDependOnLibsWithTags: ['scope:device-router', 'scope:shared'] },
];

/** Tests of a library may use the testing library, which starts all of them; cycles of the code itself are found by dependency-cruiser. */
const ignoredCircularDependencies = [['testing', '*']];

const tests = [
  '**/*.spec.ts',
  '**/*.race.ts',
  '**/*.e2e.ts',
  '**/*.contract.ts',
  'libs/testing/**',
  '{apps,libs}/*/test/**',
];
const pure = ['libs/**/*.{events,model,decide,process,upcast}.ts'];

const testingOnlyInTests = {
  group: ['@symbolon/testing', '@symbolon/event-store/contract'],
  message: 'The testing library is for tests.',
};
const adaptersOnlyInModules = { group: ['**/adapters/*', '**/adapters'], message: 'Only a module binds an adapter.' };
const cryptographyHasOneHome = {
  regex: '^(node:crypto|crypto|jose|hpke|@noble/.*|@node-rs/argon2|hash-wasm)$',
  message: 'Cryptography lives in libs/crypto and libs/sdk.',
};
const everywhere = [testingOnlyInTests, adaptersOnlyInModules];

const restrict = (...patterns) => ['error', { patterns }];

export default tseslint.config(
  {
    ignores: [
      'node_modules',
      'dist',
      '.nx',
      '.symbolon',
      'coverage',
      'tools/boundaries/fixtures',
      '**/*.cjs',
      '**/*.mjs',
    ],
  },
  {
    files: ['**/*.ts'],
    plugins: { '@nx': nx, '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { project: ['./tsconfig.json'], tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { enforceBuildableLibDependency: false, allow: [], depConstraints, ignoredCircularDependencies },
      ],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { arguments: false, attributes: false } },
      ],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      'no-console': 'error',
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'] }],
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-imports': restrict(...everywhere, cryptographyHasOneHome),
    },
  },
  {
    files: ['libs/crypto/**/*.ts', 'libs/sdk/**/*.ts'],
    rules: { 'no-restricted-imports': restrict(...everywhere) },
  },
  {
    files: ['libs/sdk/**/*.ts'],
    ignores: tests,
    rules: {
      'no-restricted-imports': restrict(...everywhere, {
        group: ['node:*'],
        message: 'The SDK runs in browsers as well.',
      }),
    },
  },
  {
    files: pure,
    rules: {
      'no-restricted-imports': restrict(...everywhere, {
        regex: '^(?!@symbolon/(kernel|contracts)$|\\.{1,2}/(.*/)?[^/]+\\.(events|model|decide|process|upcast)$).*',
        message: 'Rules are pure: they know the kernel, the contracts and one another.',
      }),
      'no-restricted-globals': ['error', 'Date', 'crypto', 'process', 'Buffer', 'fetch', 'setTimeout', 'setInterval'],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Randomness arrives in the command.' },
      ],
    },
  },
  {
    files: ['libs/**/*.{projection,row}.ts'],
    rules: {
      'no-restricted-imports': restrict(...everywhere, cryptographyHasOneHome, {
        regex: '\\.(handler|controller|model)$',
        message: 'A projection knows events and rows.',
      }),
    },
  },
  {
    files: ['libs/**/*.controller.ts'],
    rules: {
      'no-restricted-imports': restrict(
        ...everywhere,
        cryptographyHasOneHome,
        { regex: '\\.(model|row)$', message: 'A controller asks queries and submits commands.' },
        { group: ['@symbolon/event-store', 'typeorm'], message: 'A controller asks queries and submits commands.' },
      ),
    },
  },
  {
    // What is measured is measured against devices that do as they are told.
    files: ['tools/bench/**/*.ts'],
    rules: { 'no-restricted-imports': restrict(adaptersOnlyInModules, cryptographyHasOneHome) },
  },
  {
    files: tests,
    rules: {
      'no-restricted-imports': 'off',
      'no-restricted-globals': 'off',
      'no-restricted-properties': 'off',
      '@nx/enforce-module-boundaries': 'off',
    },
  },
);
