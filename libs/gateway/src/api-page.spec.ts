import type { OpenAPIObject } from '@nestjs/swagger';
import { apiPage } from './api-page';

const operation = (summary: string, more: object = {}) => ({
  summary,
  tags: ['Data Token'],
  responses: { '200': { description: 'Done' }, '429': { $ref: '#/components/responses/429' } },
  security: [{ token: [] }],
  ...more,
});

const document = {
  openapi: '3.1.0',
  info: { title: 'x', version: '1', description: 'Tokens & <data>' },
  paths: {
    '/second': { post: operation('2 Second', { 'x-symbolon-row': 2 }) },
    '/first': { get: operation('1 First', { 'x-symbolon-row': 1, security: [] }) },
    '/first-again': { get: operation('1 First', { 'x-symbolon-row': 1, security: [] }) },
    '/health': { get: operation('Health', { tags: ['Utility'] }) },
  },
  components: { responses: { '429': { description: 'Too many requests' } } },
} as unknown as OpenAPIObject;

const page = apiPage(document);

test('shows each operation once, by group and row, with its other paths', () => {
  const places = ['id="utility"', '/health', 'id="data-token"', '1 First', '/first-again', '2 Second'];
  const found = places.map((text) => page.indexOf(text));
  expect(found).toEqual([...found].sort((a, b) => a - b));
  expect(found).not.toContain(-1);
  expect(page.match(/1 First/g)).toHaveLength(1);
  expect(page).toContain('Also <code>/first-again</code>');
});

test('says who may call, and what is answered', () => {
  expect(page).toContain('Takes no token');
  expect(page).toContain('Takes a token');
  expect(page).toContain('Too many requests');
});

test('takes text as text, and leads to both documents', () => {
  expect(page).toContain('Tokens &#38; &#60;data&#62;');
  expect(page).toContain('href="/openapi.json"');
  expect(page).toContain('href="/asyncapi.json"');
});
