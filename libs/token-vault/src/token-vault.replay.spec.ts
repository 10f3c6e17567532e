import { EventStore } from '@symbolon/kernel';
import { Deadlines, ProjectionRunner, ReactorRunner } from '@symbolon/projection';
import { type TestProfile, TestServer } from '@symbolon/testing';
import { SimulatedDevices } from '../test/simulated-devices';
import { contexts } from '../test/test-vault';

describe('a server that starts again and has lost every cursor', () => {
  let server: TestServer;
  let devices: SimulatedDevices;
  let ada: TestProfile;

  async function reserve(context: string): Promise<string> {
    const { commandId } = await server.done('/data-token/reserve-token-space', { context }, ada.token);
    return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada)).body.token;
  }
  async function store(context: string): Promise<string> {
    const token = await reserve(context);
    await server.done('/data-token/exchange-data-for-token', { temporaryTokenSpace: token, data: 'AAAA' }, ada.token);
    return token;
  }
  const request = (token: string) => server.done('/data-token/request-data', { token }, ada.token);
  const list = async () => (await server.get('/data-token/list-data-tokens', ada)).body;
  const events = async () =>
    (await server.database.pool.query('select stream, revision, type, data from es.event order by stream, revision'))
      .rows;

  test('reacts to everything anew, and nothing is doubled or lost', async () => {
    server = await TestServer.start({ contexts });
    devices = new SimulatedDevices(server.served.app);
    ada = await server.profile();
    await devices.add(ada.profileId);
    await reserve('reserved');
    const kept = await store('kept');
    const fetched = await request(kept);
    await fetch(fetched.body.downloadUrl);
    const waiting = await request(kept);
    const gone = await store('gone');
    await request(gone);
    await server.done('/data-token/delete-data', { token: gone }, ada.token);
    const changed = await store('changed');
    await server.done('/data-token/update-data', { token: changed, data: 'AAAAAAAA', context: 'anew' }, ada.token);
    const count = async () => (await server.get('/data-token/transaction-count-statistics', ada)).body.items.at(-1);
    devices.behaviour = 'missing';
    await server.post('/data-token/request-data', { token: ada.token, wait: 20, json: { token: kept } });
    await devices.stop();
    const listed = await list();
    const counted = await count();
    const stored = await events();
    const { database, dataDir, port } = server;
    await server.stop({ keep: true });

    await database.pool.query(`update engine.checkpoint set cursor = null`);
    await database.pool.query(
      `truncate token_vault.token, token_vault.token_range, token_vault.operation,
                token_vault.operation_count, token_vault.storage_device, token_vault.public_key, token_vault.open_retrieval`,
    );
    server = await TestServer.start({ contexts, on: { database, dataDir, port } });
    const { app } = server.served;
    const tail = await app.get(EventStore).tail();
    await Promise.all([app.get(ProjectionRunner).passed(tail), app.get(ReactorRunner).passed(tail)]);
    await app.get(Deadlines).runDue();

    expect(await events()).toEqual(stored);
    expect(await list()).toEqual(listed);
    expect(await count()).toEqual(counted);
    expect(counted).toMatchObject({ exchanged: 3, updated: 1, deleted: 1, downloaded: 1 });
    expect((await server.get(`/request-status/${waiting.commandId}`, ada)).body).toEqual(waiting);
    const download = await fetch(waiting.body.downloadUrl);
    expect(Buffer.from(await download.arrayBuffer())).toEqual(Buffer.alloc(3));
    expect((await fetch(fetched.body.downloadUrl)).status).toBe(401);
    await server.stop();
  });
});
