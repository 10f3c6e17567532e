import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestServer } from '@symbolon/testing';

/** The document in the repository; SYMBOLON_WRITE_OPENAPI=1 writes it anew instead of comparing. */
const file = join(__dirname, '../../../../docs/api/openapi.json');

/** Verbs and paths of the rows, aliases included (contract, sections 10 and 12). */
const rows: Record<number, readonly string[]> = {
  1: ['get /health', 'get /utility/check-server-health'],
  2: [
    'get /request-status/{commandId}',
    'get /utility/request-command-id-status/{commandId}',
    'post /request-status/{commandId}',
    'post /utility/request-command-id-status/{commandId}',
  ],
  3: ['post /profile/register-profile'],
  4: ['post /profile/authenticate'],
  5: ['get /profile/retrieve-profile-id'],
  6: ['post /profile/change-password'],
  8: ['post /profile/reauthorize-authorization-token'],
  9: ['post /profile/revoke-authorization-token'],
  10: ['post /profile/authorization-token/expiry'],
  11: ['post /oauth/register-oauth-application', 'post /profile/oauth-application-register'],
  12: ['post /profile/retrieve-oauth-application-configuration'],
  13: ['get /profile/oauth-application-request-authorization-code'],
  14: ['post /oauth-application/retrieve-authorization-code'],
  15: ['post /oauth-application/obtain-access-token'],
  16: ['get /profile/retrieve-oauth-application-list'],
  17: [
    'get /oauth-application/retrieve-oauth-application-scope',
    'get /oauth/retrieve-oauth-application-scope/{applicationId}',
    'post /oauth-application/retrieve-oauth-application-scope',
  ],
  18: ['post /oauth-application/refresh-access-token'],
  19: ['get /public-key/generate-keys', 'post /public-key/generate-keys'],
  20: ['post /public-key/register-public-key'],
  21: ['get /public-key/retrieve-public-key'],
  22: ['get /dptcab/public-key', 'get /public-key/retrieve-cab-public-key'],
  26: ['post /', 'post /upstream', 'put /', 'put /upstream'],
  28: ['get /', 'get /downstream'],
  35: ['post /device/request-unique-identifier'],
  36: ['post /device/retrieve-unique-identifier'],
  37: ['get /device/retrieve-profile-devices'],
  38: ['post /device/configure-meta'],
  39: ['post /device/approve-device'],
  40: ['post /device/reject-device'],
  41: ['get /device/retrieve-device-configuration/{deviceIdentifier}', 'post /device/download-device-configuration'],
  42: ['post /device/remove'],
  43: ['post /storage/register'],
  44: ['get /storage/list-storage-devices'],
  45: ['post /storage/synchronize'],
  46: ['post /storage/remove'],
  47: ['post /verified-authenticator/register'],
  48: ['get /verified-authenticator/list-verified-authenticators'],
  49: ['get /verified-authenticator/retrieve-strategy', 'get /verified-authenticator/retrieve-voting-strategy'],
  50: ['post /verified-authenticator/set-quorum-size'],
  51: ['post /verified-authenticator/set-quorum-strategy'],
  52: ['post /verified-authenticator/set-voting-time-limit'],
  53: ['post /verified-authenticator/set-maximum-voting-attempts'],
  54: ['post /verified-authenticator/remove'],
  55: ['post /verified-authenticator/voting-configuration/register'],
  56: ['post /verified-authenticator/voting-configuration/update'],
  57: ['get /verified-authenticator/voting-configuration/list'],
  58: ['get /verified-authenticator/voting-configuration/retrieve/{nameOrId}'],
  59: ['get /policy/list-policy-templates'],
  60: ['post /policy/register'],
  61: ['get /policy/list-active-policies'],
  62: ['get /policy/list-inactive-policies'],
  63: ['post /policy/activate'],
  64: ['post /policy/deactivate'],
  65: ['post /policy/delete'],
  66: ['get /policy/list-registered-policies'],
  67: ['get /policy/retrieve-policy/{nameOrId}'],
  86: ['post /voting/create'],
  87: ['get /voting/check-pool-status/{poolId}'],
};
const beyond = [
  '/.well-known/jwks.json',
  '/openapi.json',
  '/asyncapi.json',
  '/docs',
  '/health/live',
  '/health/ready',
  '/events',
];
const open = [1, 2, 3, 4, 22, 26, 28];
/** Rows for applications and the scheme of their credentials; the alias of 17 takes a token. */
const ofApplications: Readonly<Record<number, string>> = {
  14: 'client',
  15: 'client',
  17: 'accessToken',
  18: 'accessToken',
};

let server: TestServer;
let document: any;
let operations: Array<{ readonly name: string; readonly operation: any }>;

beforeAll(async () => {
  server = await TestServer.start({ environment: { SYMBOLON_PUBLIC_URL: 'http://127.0.0.1:8009' } });
  document = (await server.get('/openapi.json')).body;
  operations = Object.entries<any>(document.paths).flatMap(([path, verbs]) =>
    Object.entries<any>(verbs).map(([verb, operation]) => ({ name: `${verb} ${path}`, operation })),
  );
});

afterAll(() => server.stop());

test('the document in the repository is the one that is served', () => {
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (process.env['SYMBOLON_WRITE_OPENAPI'] === '1') writeFileSync(file, text);
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test.each(Object.entries(rows))('row %s stands there with every verb and alias', (row, expected) => {
  const found = operations.filter(({ operation }) => operation['x-symbolon-row'] === Number(row));
  expect(found.map(({ name }) => name).sort()).toEqual([...expected].sort());
});

test('what lies beyond the menu stands there too', () => {
  for (const path of beyond) expect(document.paths[path]).toHaveProperty('get');
});

test('operations have ids of their own, references lead somewhere, path parameters are declared', () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [, reference] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    expect([reference, reference!.split('/').reduce((at, name) => at?.[name], document)]).not.toContain(undefined);
  }
  for (const { name, operation } of operations) {
    const named = [...name.matchAll(/\{([^}]+)\}/g)].map(([, parameter]) => parameter);
    const declared = (operation.parameters ?? []).filter((parameter: any) => parameter.in === 'path');
    expect([name, declared.map((parameter: any) => parameter.name)]).toEqual([name, named]);
    expect(declared.every((parameter: any) => parameter.required && parameter.schema.format === 'uuid')).toBe(true);
  }
});

test('bodies come in three encodings, and are required where a field is', () => {
  const encodings = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'];
  for (const { name, operation } of operations) {
    const { requestBody } = operation;
    if (!requestBody || operation['x-symbolon-row'] === 26) continue;
    expect([name, Object.keys(requestBody.content).sort()]).toEqual([name, encodings]);
  }
  expect(document.paths['/profile/revoke-authorization-token'].post.requestBody.required).toBe(false);
  expect(document.paths['/profile/register-profile'].post.requestBody.required).toBe(true);
  expect(Object.keys(document.paths['/upstream'].post.requestBody.content)).toEqual(['application/octet-stream']);
});

test('integers, defaults and limits are those of the contract', () => {
  const fieldsOf = (path: string) => {
    const { $ref } = document.paths[path].post.requestBody.content['application/json'].schema;
    return document.components.schemas[$ref.split('/').pop()];
  };
  expect(fieldsOf('/profile/reauthorize-authorization-token')).toMatchObject({
    required: ['ttl'],
    properties: { ttl: { type: 'integer', minimum: 60, maximum: 2_592_000 } },
  });
  expect(fieldsOf('/profile/register-profile')).toMatchObject({
    required: ['username', 'password'],
    properties: { username: { minLength: 3, maxLength: 254 }, password: { minLength: 8, maxLength: 256 } },
  });
  expect(fieldsOf('/data-token/reserve-token-space').properties).toMatchObject({
    ttl: { type: 'integer', minimum: 1, maximum: 60, default: 5 },
    meta: { $ref: expect.any(String) },
  });
});

test('each says which token it takes and which problems it may answer', () => {
  for (const { name, operation } of operations) {
    const row = operation['x-symbolon-row'];
    const path = name.split(' ')[1]!;
    const isOpen = row === undefined ? beyond.includes(path) && path !== '/events' : open.includes(row);
    const own = name.includes('{applicationId}') ? undefined : ofApplications[row];
    const takes = operation.security.some((scheme: object) => (own ?? 'token') in scheme);
    if (!(row === 2 && name.startsWith('get'))) expect([name, takes]).toEqual([name, !isOpen]);
    const statuses = Object.keys(operation.responses);
    for (const status of [...(takes ? ['401', '403'] : []), '429', '500', '503']) expect(statuses).toContain(status);
    if (!operation.parameters?.some((parameter: any) => parameter.name === 'Prefer')) continue;
    expect([name, statuses]).toEqual([name, expect.arrayContaining(['200', '202'])]);
  }
  expect(document.paths['/request-status/{commandId}'].get.security).toEqual([{}, { token: [] }, { bearer: [] }]);
});

test('the page names every operation', async () => {
  const { text } = await server.get('/docs');
  for (const path of Object.keys(document.paths)) expect(text).toContain(`<code>${path}</code>`);
});
