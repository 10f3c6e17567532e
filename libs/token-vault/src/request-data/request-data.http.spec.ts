import { importX25519Private, KeyStore, openStreamFrom } from '@symbolon/crypto';
import { type TestProfile, type TestServer, TestSocket } from '@symbolon/testing';
import type { SimulatedDevices } from '../../test/simulated-devices';
import { startVault, type TestVault } from '../../test/test-vault';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';

const small = Buffer.alloc(65_536, 'a small payload ');
const large = Buffer.alloc(65_537, 'a larger payload ');

describe('requesting, downloading and deleting data', () => {
  let vault: TestVault;
  let server: TestServer;
  let devices: SimulatedDevices;
  let ada: TestProfile;
  let eve: TestProfile;

  beforeAll(async () => {
    vault = await startVault();
    ({ server, devices } = vault);
    ada = await server.profile();
    eve = await server.profile();
    await devices.add(ada.profileId);
    await devices.add(eve.profileId);
  });
  afterAll(() => vault.stop());
  beforeEach(() => {
    devices.behaviour = 'honest';
  });

  async function reserve(profile = ada): Promise<string> {
    const { commandId } = await server.done(
      '/data-token/reserve-token-space',
      { context: 'invoices/2026' },
      profile.token,
    );
    return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, profile)).body.token;
  }
  async function store(bytes: Buffer, profile = ada): Promise<string> {
    const token = await reserve(profile);
    const fields = { temporaryTokenSpace: token, data: bytes.toString('base64') };
    await server.done('/data-token/exchange-data-for-token', fields, profile.token);
    return token;
  }
  const request = (token: string, fields: object = {}, profile = ada) =>
    server.post('/data-token/request-data', { token: profile.token, wait: 20, json: { token, ...fields } });
  const bytesAt = async (url: string) => Buffer.from(await (await fetch(url)).arrayBuffer());

  test('gives back exactly the bytes, once', async () => {
    for (const [bytes, outputType] of [
      [Buffer.from([0]), 0],
      [small, 0],
      [large, 1],
    ] as const) {
      const { status, body, headers } = await request(await store(bytes));
      expect(status).toBe(200);
      expect(body).toMatchObject({ type: 'data-token/request-data', status: 'succeeded' });
      const { requestId, downloadUrl } = body.body;
      expect(headers.get('x-dpt-cab-request-id')).toBe(requestId);
      expect(body.body).toEqual({
        requestId,
        outputType,
        size: bytes.length,
        downloadUrl: expect.stringMatching(/\/downstream\/\?auth=[\w-]{43}$/),
        expiresAt: expect.any(String),
      });
      const answer = await fetch(downloadUrl);
      expect(answer.headers.get('content-type')).toBe('application/octet-stream');
      expect(answer.headers.get('content-length')).toBe(String(bytes.length));
      expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
      expect((await fetch(downloadUrl)).status).toBe(401);
      expect((await server.get(`/request-status/${body.commandId}`, ada)).body).toEqual(body);
    }
  });

  test('tells the channel before the command’s own message', async () => {
    const socket = await TestSocket.join(server.url, ada.token);
    const inline = await request(await store(small));
    await socket.end(inline.body.commandId);
    const streamed = await request(await store(large));
    await socket.end(streamed.body.commandId);
    const of = ({ body }: { body: any }) =>
      socket.frames
        .filter(({ data }) => data?.id === body.commandId || data?.id === body.body.requestId)
        .map(({ data }) => data);
    expect(of(inline)).toEqual([
      {
        type: 'X-DPT-CAB-REQUEST-ID',
        id: inline.body.body.requestId,
        data_context: 'invoices/2026',
        output_type: 0,
        body: small.toString('base64'),
      },
      { type: 'X-DPT-CAB-ID', id: inline.body.commandId, command_status: 2, body: inline.body.body },
    ]);
    const url = streamed.body.body.downloadUrl;
    expect(of(streamed)).toMatchObject([
      { type: 'X-DPT-CAB-REQUEST-ID', output_type: 1, body: url },
      { type: 'STREAM-READY', id: streamed.body.body.requestId, body: url },
      { type: 'X-DPT-CAB-ID', command_status: 2 },
    ]);
    await socket.close();
  });

  test('seals to the profile’s key where asked', async () => {
    const pair = (await server.get('/public-key/generate-keys', ada)).body;
    const bob = await server.profile({ withKey: false });
    await server.done('/public-key/register-public-key', { publicKey: pair.publicKey }, bob.token);
    await devices.add(bob.profileId);
    for (const bytes of [small, large]) {
      const { body } = await request(await store(bytes, bob), { sealed: true }, bob);
      const sealed = await bytesAt(body.body.downloadUrl);
      expect(sealed.includes('payload')).toBe(false);
      const opener = openStreamFrom([importX25519Private(pair.privateKey)]);
      expect((await buffer(Readable.from([sealed]).pipe(opener))).equals(bytes)).toBe(true);
    }
  });

  test('is refused at once for what is unknown, foreign or deleted', async () => {
    const token = await store(small);
    for (const [given, profile] of [
      [`dt_${'A'.repeat(43)}`, ada],
      [token, eve],
    ] as const) {
      expect(await request(given, {}, profile)).toMatchObject({ status: 404, body: { code: 'data_token.not_found' } });
    }
    const denied = await server.database.pool.query(
      `select data from es.event where type = 'access.denied' and data->>'profileId' = $1`,
      [eve.profileId],
    );
    expect(denied.rows).toMatchObject([{ data: { path: '/data-token/request-data', code: 'data_token.not_found' } }]);
  });

  test('ends with the reason where no data comes', async () => {
    const token = await store(small);
    devices.behaviour = 'missing';
    expect((await request(token)).body).toMatchObject({ status: 'rejected', reason: 'storage.data_missing' });
    devices.behaviour = 'garbage';
    expect((await request(token)).body).toMatchObject({ status: 'rejected', reason: 'storage.data_corrupt' });
    expect((await request(await reserve())).body).toMatchObject({
      status: 'rejected',
      reason: 'data_token.not_permanent',
    });
  });

  test('a large body that is damaged on its way fails the download', async () => {
    const token = await store(large);
    devices.behaviour = 'garbage';
    const { body } = await request(token);
    await expect(bytesAt(body.body.downloadUrl)).rejects.toThrow();
  });

  test('repeats the first answer under an Idempotency-Key, also once the token is deleted', async () => {
    const token = await store(small);
    const send = () =>
      server.post('/data-token/request-data', {
        token: ada.token,
        wait: 20,
        headers: { 'idempotency-key': 'request-1' },
        json: { token },
      });
    const first = await send();
    await server.done('/data-token/delete-data', { token }, ada.token);
    const second = await send();
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('x-dpt-cab-request-id')).toBe(first.headers.get('x-dpt-cab-request-id'));
  });

  test('deleting destroys key, parcel and waiting downloads', async () => {
    const token = await store(large);
    const { body } = await request(token);
    const { rows } = await server.database.pool.query<{ parcel_id: string; token_id: string }>(
      `select p.parcel_id, p.token_id from token_vault.download d join token_vault.parcel p using (token_id) where d.request_id = $1`,
      [body.body.requestId],
    );
    const [{ parcel_id: parcelId }] = rows as [{ parcel_id: string; token_id: string }];
    const keys = server.served.app.get(KeyStore);
    expect(await keys.tokenKey(ada.profileId, parcelId)).not.toBeNull();

    const ended = await server.done('/data-token/delete-data', { token }, ada.token);
    expect(ended.body).toEqual({ token });
    expect(await keys.tokenKey(ada.profileId, parcelId)).toBeNull();
    expect((await fetch(body.body.downloadUrl)).status).toBe(401);
    expect((await request(token)).status).toBe(404);
    const again = await server.post('/data-token/delete-data', { token: ada.token, wait: 20, json: { token } });
    expect(again.body).toMatchObject({ status: 'rejected', reason: 'data_token.not_found' });
    // Its status object shows the token for as long as it is kept.
    expect((await server.get(`/request-status/${ended.commandId}`, ada)).body.body).toEqual({ token });
  });

  test('deletes a temporary token, and no token of somebody else', async () => {
    const token = await reserve();
    const foreign = await server.post('/data-token/delete-data', { token: eve.token, wait: 20, json: { token } });
    expect(foreign.body).toMatchObject({ status: 'rejected', reason: 'data_token.not_found' });
    await server.done('/data-token/delete-data', { token }, ada.token);
    const late = await server.post('/data-token/exchange-data-for-token', {
      token: ada.token,
      wait: 20,
      json: { temporaryTokenSpace: token, data: 'AAAA' },
    });
    expect(late.body).toMatchObject({ status: 'rejected', reason: 'data_token.not_found' });
  });
});
