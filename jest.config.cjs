const preset = require('./jest.preset.cjs');

/** @type {import('jest').Config} */
module.exports = {
  ...preset,
  rootDir: __dirname,
  testMatch: ['<rootDir>/{libs,apps,tools}/**/*.{spec,race,e2e}.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.nx', '<rootDir>/.symbolon'],
  globalSetup: '<rootDir>/libs/testing/src/global-setup.ts',
  globalTeardown: '<rootDir>/libs/testing/src/global-teardown.ts',
  testTimeout: 90_000,
  // Each suite leaves something in memory; a process that has grown is replaced.
  maxWorkers: 2,
  workerIdleMemoryLimit: '1GB',
};
