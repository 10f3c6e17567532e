import { type TestProfile, type TestServer, TestSocket } from '@symbolon/testing';
import type { SimulatedDevices } from '../../test/simulated-devices';
import { startVault, type TestVault } from '../../test/test-vault';

describe('listing tokens and configuring their meta', () => {
  let vault: TestVault;
  let server: TestServer;
  let devices: SimulatedDevices;
  let ada: TestProfile;
  let eve: TestProfile;
  let tokens: string[];

  beforeAll(async () => {
    vault = await startVault();
    ({ server, devices } = vault);
    ada = await server.profile();
    eve = await server.profile();
    await devices.add(ada.profileId);
    tokens = [];
    for (const [context, fileName, type] of [
      ['invoices/2025', 'January.pdf', 'invoice'],
      ['invoices/2026', 'January.txt', 'invoice'],
      ['letters', 'über die Zeit 🕰.txt', 'letter'],
      ['a*', undefined, undefined],
    ]) {
      tokens.push(
        await reserve(ada, {
          context,
          meta: { file: fileName && { fileName, extension: fileName.slice(-3) }, data: type && { type } },
        }),
      );
    }
    await exchange(tokens[1]!);
    await reserve(eve, { context: 'invoices/2026' });
  });
  afterAll(() => vault.stop());

  async function reserve(profile: TestProfile, fields: object): Promise<string> {
    const { commandId } = await server.done('/data-token/reserve-token-space', fields, profile.token);
    return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, profile)).body.token;
  }
  const exchange = (token: string) =>
    server.done('/data-token/exchange-data-for-token', { temporaryTokenSpace: token, data: 'AAAA' }, ada.token);
  async function list(query: Record<string, string> = {}, profile = ada) {
    return server.get(`/data-token/list-data-tokens?${new URLSearchParams(query)}`, profile);
  }
  const found = async (query: Record<string, string>) =>
    (await list(query)).body.items.map(({ token }: { token: string }) => tokens.indexOf(token)).sort();

  test('shows a profile its own tokens, newest first', async () => {
    const { status, body } = await list();
    expect(status).toBe(200);
    expect(body.meta).toEqual({ count: 4, page: 1, perPage: 25 });
    expect(body.items.map(({ token }: { token: string }) => token)).toEqual([...tokens].reverse());
    expect(body.items[2]).toEqual({
      token: tokens[1],
      context: 'invoices/2026',
      meta: {
        file: { fileName: 'January.txt', extension: 'txt' },
        data: { type: 'invoice' },
        information_security_risk: null,
      },
      status: 'permanent',
      size: 3,
      version: 1,
      createdAt: expect.stringMatching(/\+00:00$/),
      updatedAt: expect.stringMatching(/\+00:00$/),
      expiresAt: null,
    });
    expect(body.items[0]).toMatchObject({
      meta: { file: null, data: null },
      status: 'temporary',
      size: null,
      version: null,
    });
    expect(body.items[0].expiresAt).not.toBeNull();
    expect((await list({}, eve)).body.meta.count).toBe(1);
  });

  test('pages', async () => {
    const second = await list({ page: '2', perPage: '3' });
    expect(second.body).toMatchObject({ items: [{ token: tokens[0] }], meta: { count: 4, page: 2, perPage: 3 } });
    expect((await list({ page: '9' })).body).toMatchObject({ items: [], meta: { count: 4 } });
    const prefix = await list({ 'filters[context]': 'invoices/20*', page: '2', perPage: '1' });
    expect(prefix.body).toMatchObject({ items: [{ token: tokens[0] }], meta: { count: 2 } });
    expect((await list({ perPage: '101' })).status).toBe(422);
  });

  test.each<[Record<string, string>, number[]]>([
    [{ 'filters[context]': 'invoices/2026' }, [1]],
    [{ 'filters[context]': 'invoices' }, []],
    [{ 'filters[context]': 'Invoices*' }, []],
    [{ 'filters[context]': 'invoices*' }, [0, 1]],
    [{ 'filters[context]': 'invoices/202*' }, [0, 1]],
    [{ 'filters[context]': 'invoices/2026*' }, [1]],
    [{ 'filters[context]': '*' }, [0, 1, 2, 3]],
    [{ 'filters[context]': 'a*' }, [3]],
    [{ 'filters[meta.file.fileName]': 'January.txt' }, [1]],
    [{ 'filters[meta.file.fileName]': 'Jan*' }, [0, 1]],
    [{ 'filters[meta.file.fileName]': 'über die Zeit 🕰*' }, [2]],
    [{ 'filters[meta.file.fileName]': '*' }, [0, 1, 2]],
    [{ 'filters[meta.file.extension]': 'txt' }, [1, 2]],
    [{ 'filters[meta.file.extension]': 'tx*' }, []],
    [{ 'filters[meta.data.type]': 'invoice' }, [0, 1]],
    [{ 'filters[meta.data.type]': 'invoice', 'filters[meta.file.extension]': 'pdf' }, [0]],
    [{ 'filters[meta.data.type]': 'invoice', 'filters[status]': 'permanent' }, [1]],
    [{ 'filters[status]': 'temporary' }, [0, 2, 3]],
    [{ 'filters[status]': 'deleted' }, []],
  ])('filters by %j', async (query, expected) => {
    expect(await found(query)).toEqual(expected);
  });

  test('filters by token, and refuses filters it does not know', async () => {
    expect(await found({ 'filters[token]': tokens[2]! })).toEqual([2]);
    expect(await found({ 'filters[token]': 'dt_unknown' })).toEqual([]);
    expect((await list({ 'filters[meta.file.size]': '1' })).body.code).toBe('validation_failed');
    expect((await list({ filters: 'x' })).status).toBe(422);
  });

  test('file meta replaces the section, at once and on any token', async () => {
    const socket = await TestSocket.join(server.url, ada.token);
    const token = await reserve(ada, { context: 'before', meta: { file: { fileName: 'old', path: '/' } } });
    const configured = await server.post('/data-token/configure-file-meta', {
      token: ada.token,
      form: { token, fileName: 'new.txt', extension: '', context: 'after', size: '7' },
    });
    expect(configured).toMatchObject({ status: 200, body: { token } });
    const commandId = configured.headers.get('x-dpt-cab-id')!;
    expect((await server.get(`/request-status/${commandId}`, ada)).body).toMatchObject({
      status: 'succeeded',
      body: { token },
    });
    expect(await socket.end(commandId)).toMatchObject({ command_status: 2, body: { token } });
    await socket.close();
    const { items } = (await list({ 'filters[meta.file.fileName]': 'new.txt' })).body;
    expect(items).toMatchObject([
      { context: 'after', meta: { file: { fileName: 'new.txt', extension: '', size: 7 } }, status: 'temporary' },
    ]);
    expect(items[0].meta.file).not.toHaveProperty('path');
    await server.done('/data-token/delete-data', { token }, ada.token);
    expect((await list()).body.meta.count).toBe(4);
    for (const [given, profile] of [
      [token, ada],
      [tokens[0], eve],
    ] as const) {
      const refused = await server.post('/data-token/configure-file-meta', {
        token: profile.token,
        json: { token: given, fileName: 'x', extension: 'y' },
      });
      expect(refused).toMatchObject({ status: 404, body: { code: 'data_token.not_found' } });
    }
  });

  test('the security risk is for permanent tokens', async () => {
    const risk = { classification: 'internal', label: 'amber', handling: 'lock away' };
    const path = '/data-token/configure-information-security-risk-meta';
    expect((await server.done(path, { token: tokens[1], ...risk }, ada.token)).body).toEqual({ token: tokens[1] });
    const { items } = (await list({ 'filters[token]': tokens[1]! })).body;
    expect(items[0].meta.information_security_risk).toEqual(risk);
    const temporary = await server.post(path, { token: ada.token, wait: 20, json: { token: tokens[0], ...risk } });
    expect(temporary.body).toMatchObject({ status: 'rejected', reason: 'data_token.not_permanent' });
    const foreign = await server.post(path, { token: eve.token, wait: 20, json: { token: tokens[1], ...risk } });
    expect(foreign.body).toMatchObject({ status: 'rejected', reason: 'data_token.not_found' });
    expect((await server.post(path, { token: ada.token, json: { token: tokens[1], label: '' } })).status).toBe(422);
  });
});
