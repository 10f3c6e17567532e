const { readdirSync } = require('node:fs');
const { join } = require('node:path');

const projects = ['apps', 'libs'].flatMap((folder) => readdirSync(join(__dirname, folder)));

module.exports = {
  extends: ['@commitlint/config-conventional'],
  rules: { 'scope-enum': [2, 'always', [...projects, 'workspace', 'deps']], 'body-max-line-length': [0] },
};
