import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { envelopeInfo } from '@symbolon/contracts';
import {
  generateEd25519,
  KeyStore,
  parsePublicKey,
  randomBytes,
  sealMessage,
  sha256Hex,
  signEnvelope,
  uuid7,
} from '@symbolon/crypto';
import type { Envelope } from '@symbolon/device-link';
import { ManualClock } from '@symbolon/kernel';
import { TestServer, until } from '@symbolon/testing';
import { Broker } from './broker';
import { type Application, application, fetched, StorageDevice, webSocket } from './parties';
import { connect } from '@symbolon/sdk';

jest.setTimeout(60_000);

const day = 24 * 3600;
/** The tokens of a session outlive the test's weeks. */
const environment = { SYMBOLON_TOKEN_TTL: String(90 * day) };
const payload = Buffer.from('what is to stay as it is');

let clock: ManualClock;
let server: TestServer;
let ada: Application;
let attic: StorageDevice;
let broker: Broker;
/** The device's public key, as anybody may learn it. */
let devicePublic: string;

beforeAll(async () => {
  clock = new ManualClock(Date.now());
  server = await TestServer.start({ clock, environment });
  ada = await application(server.url);
  attic = await StorageDevice.of(ada, server.url, {
    clock,
    channelUrl: async (real) => (broker = await Broker.before(real)).url,
  });
  devicePublic = (await ada.session.registeredKey(attic.deviceIdentifier))!.publicKey;
});

afterAll(async () => {
  ada.session.close();
  await attic.discard();
  await broker.stop();
  await server.stop();
});

const pool = () => server.database.pool;
const eventCount = async (like: string): Promise<number> =>
  (await pool().query('select count(*)::int from es.event where type like $1', [like])).rows[0].count;
const settled = () =>
  until(async () => {
    const { rows } = await pool().query('select 1 from device_router.delivery where device_identifier = $1', [
      attic.deviceIdentifier,
    ]);
    return rows.length === 0;
  }, 'every delivery to the device to be over');

async function stored(): Promise<{ token: string; objectId: string }> {
  const { token } = await ada.session.store(payload);
  await settled();
  return { token, objectId: attic.objectIds.at(-1)! };
}

interface Message {
  readonly type: string;
  readonly content: object;
  readonly correlationId?: string;
}

/** A message as anybody makes it who knows the receiver's public key; `sign` says by whom. */
function invent(
  { type, content, correlationId }: Message,
  receiver: string,
  sign: (signed: Parameters<typeof signEnvelope>[1]) => string | undefined = () => undefined,
): Envelope {
  const { deviceIdentifier } = attic;
  const id = uuid7();
  const info = envelopeInfo(id, type, deviceIdentifier);
  const sealed = sealMessage(parsePublicKey(receiver).raw, info, Buffer.from(JSON.stringify(content)));
  const head = { id, type, deviceIdentifier, correlationId: correlationId ?? null, at: clock.now() };
  const sig = sign({ ...head, sealed });
  return { v: 1, ...head, body: { sealed: sealed.toString('base64') }, ...(sig === undefined ? {} : { sig }) };
}

describe('C6: somebody on the way who knows the device’s public key', () => {
  const stranger = generateEd25519();
  let token: string;
  let objectId: string;
  let uploads = 0;
  const trap = createServer((request, response) => {
    uploads++;
    request.resume();
    response.end();
  });

  beforeAll(async () => {
    ({ token, objectId } = await stored());
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void trap.close());

  const orders: Record<string, () => Message> = {
    'storage.delete': () => ({ type: 'storage.delete', content: { objectId, upToVersion: 1 } }),
    'storage.read': () => ({
      type: 'storage.read',
      content: {
        objectId,
        version: 1,
        uploadUrl: `http://127.0.0.1:${(trap.address() as AddressInfo).port}/`,
        uploadUrlExpiresAt: clock.after(600),
      },
    }),
    'storage.write': () => {
      const bytes = randomBytes(300);
      const about = { size: bytes.length, sha256: sha256Hex(bytes) };
      return { type: 'storage.write', content: { objectId, version: 1, ...about, payload: bytes.toString('base64') } };
    },
    'storage.inventory': () => ({ type: 'storage.inventory', content: { after: null, limit: 500 } }),
    'ballot.issued': () => ({
      type: 'ballot.issued',
      content: { ballotId: uuid7(), poolId: uuid7(), operation: 'data_token.deleted', expiresAt: clock.after(600) },
    }),
  };
  const genuine = () => broker.seen.device.find(({ type }) => type === 'storage.write')!;
  const forgeries: Record<string, (order: Message) => Envelope> = {
    unsigned: (order) => invent(order, devicePublic),
    'signed by himself': (order) => invent(order, devicePublic, (signed) => signEnvelope(stranger.privateKey, signed)),
    'with the signature of a genuine order': (order) => invent(order, devicePublic, () => genuine().sig),
    'with a signature of the device': (order) =>
      invent(order, devicePublic, () => broker.seen.server.find(({ sig }) => sig !== undefined)!.sig),
    'as a genuine order with other content': (order) => {
      const { id, at, sig, correlationId } = genuine();
      const info = envelopeInfo(id, order.type, attic.deviceIdentifier);
      const sealed = sealMessage(parsePublicKey(devicePublic).raw, info, Buffer.from(JSON.stringify(order.content)));
      const body = { sealed: sealed.toString('base64') };
      return {
        v: 1,
        id,
        type: order.type,
        deviceIdentifier: attic.deviceIdentifier,
        correlationId,
        at,
        body,
        sig: sig!,
      };
    },
  };

  test.each(Object.keys(orders).flatMap((order) => Object.keys(forgeries).map((forgery) => [order, forgery] as const)))(
    '%s, %s, is dropped and the object stays',
    async (order, forgery) => {
      const forged = forgeries[forgery]!(orders[order]!());
      const blobs = attic.blobs;
      const answers = broker.seen.server.length;
      await broker.say('device', forged);
      expect(await attic.logged('order-forged', ({ id, type }) => id === forged.id && type === order)).toBeDefined();
      expect(attic.blobs).toEqual(blobs);
      expect(attic.hasBlob(objectId)).toBe(true);
      // Nothing is said to whoever asked.
      expect(broker.seen.server.slice(answers).filter(({ correlationId }) => correlationId === forged.id)).toEqual([]);
    },
  );

  test('gets nothing uploaded, and the server’s own orders are carried out', async () => {
    expect(await fetched(ada, token)).toEqual(payload);
    expect(uploads).toBe(0);
    await ada.session.delete(token);
    await attic.logged('storage.delete', (line) => line['objectId'] === objectId);
    expect(attic.hasBlob(objectId)).toBe(false);
  });

  test('cannot acknowledge a write in the device’s name', async () => {
    const cab = String(attic.configuration['cab-public-key']);
    let held: Envelope | undefined;
    broker.passes = (envelope, to) => {
      if (to !== 'device' || envelope.type !== 'storage.write' || held) return true;
      held = envelope;
      return false;
    };
    const writing = ada.session.store(payload);
    await broker.message('device', () => held !== undefined);
    const { rows } = await pool().query('select token_id, sha256 from device_router.delivery');
    const objectId = server.served.app.get(KeyStore).objectId(rows[0].token_id, attic.deviceIdentifier);
    const alerts = await eventCount('security.alert_raised');
    for (const sign of [
      () => undefined,
      (signed: Parameters<typeof signEnvelope>[1]) => signEnvelope(stranger.privateKey, signed),
      () => broker.seen.server.find(({ type }) => type === 'storage.write_ack')!.sig,
    ]) {
      const content = { objectId, version: 1, sha256: rows[0].sha256, storedAt: clock.now() };
      const forged = invent({ type: 'storage.write_ack', content, correlationId: held!.id }, cab, sign);
      await broker.say('server', forged);
      const answer = await broker.message('device', ({ correlationId }) => correlationId === forged.id);
      expect(answer).toMatchObject({ type: 'error', body: { code: 'device.signature_invalid' } });
    }
    expect(await eventCount('security.alert_raised')).toBe(alerts + 3);
    expect((await pool().query('select 1 from device_router.delivery')).rows).toHaveLength(1);
    // The device's own acknowledgement counts.
    await broker.say('device', held!);
    expect(await fetched(ada, (await writing).token)).toEqual(payload);
  });

  test('cannot bring one device’s message on another’s channel', async () => {
    const other = await StorageDevice.of(ada, server.url, { clock });
    const foreign = broker.seen.server.find(({ type }) => type === 'storage.write_ack')!;
    const before = await eventCount('storage.%');
    const stray = { ...foreign, deviceIdentifier: other.deviceIdentifier, id: uuid7() };
    await broker.say('server', stray);
    const answer = await broker.message('device', ({ correlationId }) => correlationId === stray.id);
    expect(answer).toMatchObject({ type: 'error', body: { code: 'device.envelope_invalid' } });
    expect(await eventCount('storage.%')).toBe(before);
    await other.discard();
  });
});

describe('C7: what was recorded and is said again', () => {
  test('to the device: no second effect, also after a restart and after 7 days', async () => {
    const { token, objectId } = await stored();
    const write = broker.seen.device.findLast(({ type }) => type === 'storage.write')!;
    expect(attic.hasBlob(objectId)).toBe(true);
    await ada.session.delete(token);
    await attic.logged('storage.delete', (line) => line['objectId'] === objectId);
    const remove = broker.seen.device.findLast(({ type }) => type === 'storage.delete')!;
    const done = () => attic.log.filter(({ event }) => /^storage\.(write|delete)$/.test(event)).length;

    const before = done();
    const again = async () => {
      for (const order of [write, remove, write]) await broker.say('device', order);
      expect(attic.hasBlob(objectId)).toBe(false);
      expect(done()).toBe(before);
    };
    await again();
    await attic.stop();
    await attic.start(clock);
    await again();
    clock.advance(6 * day);
    await again();
    clock.advance(2 * day);
    await again();
    expect(attic.log.filter(({ event, id }) => event === 'message-too-old' && id === write.id)).toHaveLength(2);
    const { objectId: next } = await stored();
    expect(attic.hasBlob(next)).toBe(true);
  });

  test('to the server: no second effect, also after a restart and after 7 days', async () => {
    const { token, objectId } = await stored();
    expect(await fetched(ada, token)).toEqual(payload);
    const { token: doomed } = await stored();
    await ada.session.delete(doomed);
    await broker.message('server', ({ type, at }) => type === 'storage.delete_ack' && at >= clock.now());
    await settled();
    const types = ['storage.write_ack', 'storage.read_result', 'storage.delete_ack'];
    const recorded = broker.seen.server.filter(({ type }) => types.includes(type));
    expect(new Set(recorded.map(({ type }) => type)).size).toBe(3);

    const state = async () => ({
      events: await eventCount('%'),
      parcels: (await pool().query('select parcel_id from token_vault.parcel order by 1')).rows,
      copies: (await pool().query('select * from device_router.copy order by 1, 2, 3')).rows,
    });
    const before = await state();
    const again = async () => {
      for (const envelope of recorded) await broker.say('server', envelope);
      expect(await state()).toEqual(before);
    };
    await again();
    ada.session.close();
    await attic.stop();
    const { database, dataDir, port } = server;
    await server.stop({ keep: true });
    server = await TestServer.start({ clock, environment, on: { database, dataDir, port } });
    await attic.start(clock);
    await again();
    clock.advance(6 * day);
    await again();
    clock.advance(2 * day);
    await again();

    const session = await connect({ url: server.url, token: ada.session.token!, keys: ada.keys, webSocket });
    Object.assign(ada, { session });
    expect(attic.hasBlob(objectId)).toBe(true);
    expect(await fetched(ada, token)).toEqual(payload);
    expect((await state()).events).toBeGreaterThan(before.events);
  });

  test('to the server: an old answer does not answer a new request', async () => {
    const { token } = await stored();
    expect(await fetched(ada, token)).toEqual(payload);
    const old = broker.seen.server.findLast(({ type }) => type === 'storage.read_result')!;
    let asked: Envelope | undefined;
    broker.passes = (envelope, to) => {
      if (to !== 'device' || envelope.type !== 'storage.read' || asked) return true;
      asked = envelope;
      return false;
    };
    const fetching = fetched(ada, token);
    await broker.message('device', () => asked !== undefined);
    const answered = await eventCount('storage.read_answered');
    for (const envelope of [
      old,
      { ...old, correlationId: asked!.id },
      { ...old, id: uuid7(), correlationId: asked!.id },
    ])
      await broker.say('server', envelope);
    expect(await eventCount('storage.read_answered')).toBe(answered);
    await broker.say('device', asked!);
    expect(await fetching).toEqual(payload);
    expect(await eventCount('storage.read_answered')).toBe(answered + 1);
  });
});
