import { TestDevice, TestEvents, TestServer, TestSocket } from '@symbolon/testing';
import { reasons } from '@symbolon/contracts';

/** Sections 5 and 16.3 of the contract. */
const messageTypes = ['X-DPT-CAB-ID', 'X-DPT-CAB-REQUEST-ID', 'STREAM-READY', 'SECURITY-ALERT'];
const toDevices = [
  'storage.write',
  'storage.read',
  'storage.delete',
  'storage.inventory',
  'ballot.issued',
  'ballot.voided',
];
const toServer = [
  'storage.write_ack',
  'storage.read_result',
  'storage.delete_ack',
  'storage.inventory_result',
  'ballot.vote',
];
const bothWays = ['device.ping', 'device.pong', 'error'];

let server: TestServer;
let document: any;

beforeAll(async () => {
  server = await TestServer.start();
  document = (await server.get('/asyncapi.json')).body;
});

afterAll(() => server.stop());

function at(pointer: string): any {
  const path = pointer.slice(2).split('/');
  return path.reduce((value, name) => value?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], document);
}

/** The message behind a reference, through however many of them. */
function resolved(reference: { $ref: string }): any {
  const found = at(reference.$ref);
  return found?.$ref ? resolved(found) : found;
}

function references(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, member]) =>
    name === '$ref' && typeof member === 'string' ? [member] : references(member),
  );
}

/** What the schemas of the document use of JSON Schema. */
function faults(schema: any, value: any, path = '$'): string[] {
  const found: string[] = [];
  const typeOf = (one: unknown) => (one === null ? 'null' : Array.isArray(one) ? 'array' : typeof one);
  if ('const' in schema && schema.const !== value) found.push(`${path} is not ${schema.const}`);
  if (schema.enum && !schema.enum.includes(value)) found.push(`${path} is none of ${schema.enum}`);
  if (schema.type) {
    const types = [schema.type].flat();
    const type = typeOf(value);
    const right = types.includes(type) || (types.includes('integer') && Number.isInteger(value));
    if (!right) return [...found, `${path} is ${type}, not ${types}`];
  }
  if (schema.pattern && typeof value === 'string' && !new RegExp(schema.pattern).test(value))
    found.push(`${path} form`);
  if (schema.oneOf) {
    const passing = schema.oneOf.filter((one: any) => faults(one, value, path).length === 0);
    if (passing.length !== 1) found.push(`${path} fits ${passing.length} of ${schema.oneOf.length}`);
  }
  if (typeOf(value) !== 'object') return found;
  for (const name of schema.required ?? []) if (!(name in value)) found.push(`${path}.${name} is missing`);
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    if (name in value) found.push(...faults(member, value[name], `${path}.${name}`));
  }
  return found;
}

/** The frame fits one message of a channel, and only one. */
function messageOf(channel: string, frame: unknown): string {
  const fitting = Object.entries<any>(document.channels[channel].messages).filter(
    ([, message]) => faults(resolved(message).payload, frame).length === 0,
  );
  expect([JSON.stringify(frame), fitting.map(([name]) => name)]).toEqual([expect.any(String), [expect.any(String)]]);
  return fitting[0]![0];
}

test('is an AsyncAPI 3.0 document whose references all lead somewhere', () => {
  expect(document.asyncapi).toBe('3.0.0');
  expect(document.info).toEqual(expect.objectContaining({ title: 'Symbolon', version: '1' }));
  const all = references(document);
  expect(all.length).toBeGreaterThan(30);
  expect(all.filter((reference) => at(reference) === undefined)).toEqual([]);
});

test('every operation has an action, a channel and messages of that channel', () => {
  const operations = Object.values<any>(document.operations);
  expect(operations.length).toBeGreaterThan(0);
  for (const { action, channel, messages, reply } of operations) {
    expect(['send', 'receive']).toContain(action);
    expect(channel.$ref).toMatch(/^#\/channels\/(client|events|device)$/);
    for (const { $ref } of [...messages, ...(reply?.messages ?? [])]) {
      expect($ref.startsWith(`${channel.$ref}/messages/`)).toBe(true);
    }
  }
});

test('its three channels stand where the settings say', () => {
  const { host } = new URL(server.url);
  const { client, events, device } = document.channels;
  expect([client.address, events.address, device.address]).toEqual(['/ws', '/events', '/device-channel']);
  const hosts = [client, events, device].map((channel) => resolved(channel.servers[0]));
  expect(hosts.map(({ host: there, protocol }) => [there, protocol])).toEqual([
    [host, 'ws'],
    [host, 'http'],
    [host, 'ws'],
  ]);
});

test('every message type of section 5 and every envelope type of section 16 is there', () => {
  const namesIn = (operation: string) =>
    document.operations[operation].messages.map((reference: { $ref: string }) => resolved(reference).name).sort();
  expect(namesIn('tellClients')).toEqual([...messageTypes].sort());
  expect(namesIn('streamEvents')).toEqual([...messageTypes].sort());
  expect(namesIn('takeAction')).toEqual(['joinChannel', 'leaveChannel']);
  expect(namesIn('orderDevices')).toEqual([...toDevices, ...bothWays, 'ack'].sort());
  expect(namesIn('hearDevices')).toEqual([...toServer, ...bothWays, 'ack'].sort());
});

test('sealed envelopes name their content, plain ones their body; the reasons are those of the contract', () => {
  for (const type of [...toDevices, ...toServer]) {
    const found = document.components.messages[type.replace('.', '_')];
    expect([type, found.payload.properties.body.required]).toEqual([type, ['sealed']]);
    expect(found['x-symbolon-content'].type).toBe('object');
  }
  const rejected = document.components.messages['X-DPT-CAB-ID'].payload.oneOf[2];
  expect(rejected.properties.data.properties.body.enum).toEqual(Object.keys(reasons));
});

test('what a server really sends is what stands there', async () => {
  const owner = await server.profile();
  const { token } = owner;
  const device = await TestDevice.of(server, owner);
  await device.connect();
  const events = await TestEvents.open(server.url, token, { query: '?progress=true' });
  const socket = await TestSocket.join(server.url, token, { progress: true });
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'invoices', ttl: 30 }, token);
  const { body: space } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token });
  await server.post(space.stream, { body: new Uint8Array(70_000), wait: 30 });
  const request = await server.done('/data-token/request-data', { token: space.token }, token);
  await server.done('/data-token/delete-data', { token: space.token }, token);
  const failed = await server.post('/data-token/request-data', { json: { token: space.token }, token, wait: 30 });
  expect(failed.status).toBe(404);
  const wrong = { currentPassword: 'not the right one', newPassword: 'short yellow oak table' };
  const rejected = (await server.post('/profile/change-password', { json: wrong, token })).body.commandId;
  for (let failure = 1; failure <= 4; failure++) {
    await server.post('/profile/authenticate', { json: { username: owner.username, password: 'wrong password' } });
  }
  await Promise.all([socket.end(request.commandId), socket.end(rejected), events.end(rejected)]);
  await socket.until(({ data }) => data?.type === 'SECURITY-ALERT');
  socket.send({ action: 'dance', data: {} });
  await socket.until(({ status }) => status === 400);
  await device.got('storage.delete');

  const inSocket = new Set(socket.frames.map((frame) => messageOf('client', frame)));
  expect([...inSocket].sort()).toEqual([...messageTypes, 'answer'].sort());
  for (const { data } of events.events) messageOf('events', data);
  const contents = new Set(
    device.taken.map(({ envelope, content }) => {
      const name = messageOf('device', envelope);
      const schema = document.components.messages[name]['x-symbolon-content'];
      if (schema) expect([name, faults(schema, content)]).toEqual([name, []]);
      return name;
    }),
  );
  expect([...contents]).toEqual(expect.arrayContaining(['storage_write', 'storage_read', 'storage_delete']));
  events.close();
  await socket.close();
  await device.leave();
});
