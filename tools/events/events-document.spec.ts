import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventsDocument } from './events-document';

/** SYMBOLON_WRITE_EVENTS=1 writes it anew instead of comparing. */
const file = join(__dirname, '../../docs/events.md');

test('docs/events.md says what the contracts say', () => {
  const document = eventsDocument();
  if (process.env['SYMBOLON_WRITE_EVENTS']) writeFileSync(file, document);
  expect(readFileSync(file, 'utf8')).toBe(document);
}, 60_000);
