import { WebSocket } from 'ws';
import { FakeVault, profileId } from '../test/fake-vault';
import { drained, textBytes } from '../test/pieces';
import { openForToken, sealForToken } from './application-layer';
import type { WebSocketClass } from './channel';
import { SealError } from './cobblestone';
import { streamOf } from './byte-source';
import { ProfileKeys } from './profile-keys';
import { openMeta, sealMeta } from './sealed-meta';
import { connect } from './connect';
import type { Session } from './session';

const place = { token: 'dt_one', profileId };
const meta = { fileName: 'ledger.pdf', extension: 'pdf', size: 5, fields: { year: 2026 } };
let keys: ProfileKeys;

beforeAll(async () => {
  keys = await ProfileKeys.generate();
});

describe('a sealed description', () => {
  test('is text that the profile alone opens again', async () => {
    const text = await sealMeta(keys, place, 3, meta);
    expect(text).toMatch(/^[\w-]+$/);
    expect(Buffer.from(text, 'base64url').includes('ledger')).toBe(false);
    expect(await openMeta(keys, place, text)).toEqual({ version: 3, meta });
    await expect(openMeta(await ProfileKeys.generate(), place, text)).rejects.toThrow(SealError);
  });

  test('belongs to one token, and is no data', async () => {
    const text = await sealMeta(keys, place, 1, meta);
    await expect(openMeta(keys, { ...place, token: 'dt_two' }, text)).rejects.toThrow(SealError);
    const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
    async function* one() {
      yield bytes;
    }
    await expect(openForToken(keys, place, streamOf(one(), bytes), bytes.length)).rejects.toThrow(SealError);
    const { bytes: data } = await drained(await sealForToken(keys, place, 1, streamOf(one(), bytes)));
    await expect(openMeta(keys, place, data.toString('base64url'))).rejects.toThrow(SealError);
    await expect(openMeta(keys, place, 'no envelope')).rejects.toThrow(SealError);
  });

  test('has its limit', async () => {
    await expect(sealMeta(keys, place, 1, { path: 'x'.repeat(10_000) })).rejects.toThrow(RangeError);
  });
});

describe('a session', () => {
  let vault: FakeVault;
  let session: Session;

  beforeEach(async () => {
    vault = await FakeVault.start();
    const webSocket = WebSocket as unknown as WebSocketClass;
    session = await connect({ url: vault.url, token: 'T-token', keys, webSocket });
  });
  afterEach(async () => {
    session.close();
    await vault.stop();
  });

  const updates = () => vault.calls('/data-token/update-data').map(({ fields }) => fields as any);
  const item = (token: string, more: object = {}) => ({
    token,
    context: 'sealed',
    meta: { file: null, data: null, information_security_risk: null },
    status: 'permanent',
    version: 1,
    ...more,
  });
  function lists(...items: object[]): void {
    vault.intercept('/data-token/list-data-tokens', (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ items, meta: { count: items.length, page: 1, perPage: 100 } }));
    });
  }
  const sealedItem = async (token: string, description: object) =>
    item(token, {
      meta: { file: null, data: { sealed: await sealMeta(keys, { token, profileId }, 1, description) } },
    });

  test('seals what describes the data, and tells the server a constant', async () => {
    const { token, described } = await session.store(textBytes('hello'), { describe: meta });
    expect(described).toBe(true);
    const [reserved] = vault.calls('/data-token/reserve-token-space');
    expect(reserved!.fields).toMatchObject({ context: 'sealed' });
    expect(JSON.stringify(vault.seen)).not.toContain('ledger');
    const [{ dataToken, meta: given }] = updates();
    expect(dataToken).toBe(token);
    expect(await openMeta(keys, { token, profileId }, given.data.sealed)).toEqual({ version: 1, meta });
  });

  test('says it in the clear where it is told to', async () => {
    await session.store(textBytes('hello'), { describe: meta, plainMeta: true });
    const [reserved] = vault.calls('/data-token/reserve-token-space');
    expect(reserved!.fields['meta']).toEqual({
      file: { fileName: 'ledger.pdf', extension: 'pdf', size: 5 },
      data: { year: 2026 },
    });
    expect(updates()).toEqual([]);
  });

  test('does not lose a token whose description the server refuses', async () => {
    vault.verdicts.set('/data-token/update-data', () => ({ rejected: 'internal_error' }));
    expect(await session.store(textBytes('hello'), { describe: meta })).toMatchObject({ described: false, size: 5 });
  });

  test('opens lists and filters by what is sealed as by what is not', async () => {
    const items = [
      await sealedItem('dt_a', { fileName: 'ledger.pdf', extension: 'pdf', type: 'book' }),
      await sealedItem('dt_b', { fileName: 'letter.txt', extension: 'txt' }),
      item('dt_c', { meta: { file: { fileName: 'lemon.pdf', extension: 'pdf' }, data: { sealed: 'garbage' } } }),
    ];
    const tokens = async (filters: object) => {
      lists(...items);
      const { items: found, meta: about } = await session.list(filters);
      expect(about.count).toBe(found.length);
      return found.map(({ token }) => token);
    };
    lists(...items);
    const opened = (await session.list()).items.map(({ sealed }) => sealed?.fileName ?? null);
    expect(opened).toEqual(['ledger.pdf', 'letter.txt', null]);
    expect(await tokens({ fileName: 'le*' })).toEqual(['dt_a', 'dt_b', 'dt_c']);
    expect(await tokens({ fileName: 'letter.txt' })).toEqual(['dt_b']);
    expect(await tokens({ extension: 'pdf' })).toEqual(['dt_a', 'dt_c']);
    expect(await tokens({ extension: 'pdf', type: 'book' })).toEqual(['dt_a']);
  });

  test('updates data under the next version, and a description for the version that there is', async () => {
    vault.verdicts.set('/data-token/update-data', ({ dataToken }) => ({ succeeded: { token: dataToken, version: 2 } }));
    const { token } = await session.store(textBytes('hello'));
    lists(item(token));
    expect(await session.update(token, { data: textBytes('anew'), describe: meta })).toEqual({ token, version: 2 });
    const [{ data, meta: given }] = updates();
    const sealed = new Uint8Array(Buffer.from(data, 'base64'));
    async function* one() {
      yield sealed;
    }
    const opened = await openForToken(keys, { token, profileId }, streamOf(one(), sealed), sealed.length);
    expect([opened.version, (await drained(opened.stream)).bytes.toString()]).toEqual([2, 'anew']);
    expect((await openMeta(keys, { token, profileId }, given.data.sealed)).version).toBe(2);
    lists(item(token, { version: 2 }));
    await session.update(token, { describe: { fileName: 'b' } });
    expect((await openMeta(keys, { token, profileId }, updates()[1].meta.data.sealed)).version).toBe(2);
    await session.remove(token);
    expect(vault.calls('/data-token/delete-data')).toHaveLength(1);
  });
});
