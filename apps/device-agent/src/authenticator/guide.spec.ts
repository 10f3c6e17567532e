import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRules } from './rules';

test('the rules that the guide prints can be used', () => {
  const guide = readFileSync(join(__dirname, '../../../../docs/guides/policies-and-votes.md'), 'utf8');
  const [, json] = /```json\n(.*?)```/s.exec(guide) ?? [];
  expect(readRules(json!).rules.map(({ name }) => name)).toEqual([
    'never from outside',
    'nightly export',
    'the rest of the data',
  ]);
});
