import { randomBytes } from '@symbolon/crypto';
import { Client } from 'pg';
import { type Measured, measure, median } from './figures';
import { HttpConnection } from './http-connection';
import { figure, type Section } from './report';
import type { Vault } from './vault';

interface Host {
  readonly postgres: { readonly url: string };
  vault(name?: string): Promise<Vault>;
}

const tokens = 1_000_000;
const chunk = 50_000;
const contexts = 100;
const seconds = 3;

/**
 * A million permanent tokens of one profile, written into the read model by SQL: ids, times and blind indexes as the
 * projection would have made them (each row takes those of one of a hundred real tokens), the sealed texts empty.
 */
async function fill(database: Client, profileId: string): Promise<void> {
  await database.query(`create temporary table template as
    select row_number() over () - 1 as n, * from token_vault.token
     where profile_id = '${profileId}' and status = 'permanent' order by created_at, token_id limit ${contexts}`);
  for (let from = 0; from < tokens; from += chunk) {
    await database.query(
      `insert into token_vault.token (token_id, profile_id, status, writing, version, size, context_index, file_name_index,
                                      extension_index, data_type_index, created_at, updated_at, expires_at)
       select gen_random_uuid(), t.profile_id, 'permanent', false, 1, 200, t.context_index, t.file_name_index,
              t.extension_index, t.data_type_index, now() - interval '400 days' + g.i * interval '34.5 s', now(), now()
         from generate_series($1::int, $2::int) g(i) join template t on t.n = g.i % (select count(*) from template)`,
      [from, from + chunk - 1],
    );
    // What is looked up when a token is reserved or listed has a million neighbours as well.
    await database.query(
      `insert into keys.sealed_string (id, subject_id, sealed) select gen_random_uuid(), $1, '\\x00' from generate_series(1, $2::int)`,
      [profileId, chunk],
    );
    await database.query(
      `insert into keys.lookup (kind, hash, epoch_id, id)
       select 'data-token', sha256(uuid_send(gen_random_uuid())), e.epoch_id, gen_random_uuid()
         from generate_series(1, $1::int), (select epoch_id from keys.epoch where purpose = 'token-lookup' limit 1) e`,
      [chunk],
    );
  }
  await database.query('vacuum analyze');
}

export async function million(bench: Host): Promise<Section> {
  const vault = await bench.vault('million');
  const url = new URL(bench.postgres.url);
  url.pathname = '/million';
  const database = new Client({ connectionString: url.href });
  database.on('error', () => undefined); // its query says so
  await database.connect();
  const headers = { 'x-dpt-authorization': vault.token };
  const connections = Array.from({ length: 8 }, () => new HttpConnection(vault.port));
  const ask = async (client: number, method: 'GET' | 'POST', path: string, json?: object) => {
    const connection = connections[client]!;
    const more = json ? { ...headers, prefer: 'wait=30' } : headers;
    const { status, body } = await connection.send(connection.encode({ method, path, headers: more, json }));
    if (status !== 200) throw new Error(`${path} answered ${status}: ${body.toString()}`);
    return JSON.parse(body.toString());
  };
  const reserving = () =>
    measure(8, seconds, async (client) => {
      await ask(client, 'POST', '/data-token/reserve-token-space', { context: 'bench', ttl: 1 });
    });
  const listing = (path: string): Promise<Measured> =>
    measure(2, seconds, async (client) => void (await ask(client, 'GET', path)));

  const templates = Array.from({ length: contexts }, (_, n) => ({
    context: `folder ${n}`,
    data: randomBytes(200).toString('base64'),
  }));
  await ask(0, 'POST', '/data-token/batch', { items: templates });
  const rare = await ask(0, 'POST', '/data-token/batch', { items: [{ context: 'rare', data: 'AAAA' }] });
  await reserving(); // warms up
  const empty = [(await reserving()).p99, (await reserving()).p99, (await reserving()).p99];
  const { profileId } = await ask(0, 'GET', '/profile/retrieve-profile-id');
  const before = performance.now();
  await fill(database, profileId);
  // The server has let go of connections that were silent meanwhile.
  for (const [client, connection] of connections.entries()) {
    connection.close();
    connections[client] = new HttpConnection(vault.port);
  }
  const filled = (performance.now() - before) / 1000;

  const list = '/data-token/list-data-tokens';
  const { meta } = await ask(0, 'GET', list);
  const pages = Math.floor(meta.count / 25);
  const cases: ReadonlyArray<readonly [string, string]> = [
    ['first page', list],
    ['page in the middle', `${list}?page=${Math.floor(pages / 2)}`],
    ['last page', `${list}?page=${pages}`],
    ['context, 10,000 hits', `${list}?filters[context]=folder%207`],
    ['context by prefix, all', `${list}?filters[context]=fold*`],
    ['context by prefix, page in the middle', `${list}?filters[context]=fold*&page=${Math.floor(pages / 2)}`],
    ['context, 1 hit', `${list}?filters[context]=rare`],
    ['one token', `${list}?filters[token]=${rare.body.items[0].token}`],
    ['status', `${list}?filters[status]=permanent`],
    ['no hit', `${list}?filters[context]=nowhere`],
    ['storage devices (row 44)', '/storage/list-storage-devices'],
  ];
  const rows: Array<Array<string | number>> = [];
  const slowest: number[] = [];
  for (const [name, path] of cases) {
    await ask(0, 'GET', path);
    const found = await listing(path);
    rows.push([name, found.p50, found.p99]);
    slowest.push(found.p99);
  }
  const full = [(await reserving()).p99, (await reserving()).p99, (await reserving()).p99];
  for (const connection of connections) connection.close();
  await database.end();
  const restart = await vault.restart();
  const ratio = median(full) / median(empty);
  rows.push(['reserve a token, empty vault', '', median(empty)], ['reserve a token, full vault', '', median(full)]);
  return {
    title: 'A million tokens of one profile',
    how: `${meta.count} live tokens in the read model, all of one profile, filled by SQL in ${figure(filled)} s, with as many neighbours in the tables of token strings. Lists by 2 clients, reservations (settled) by 8, ${seconds} s each; p99 of reservations: the median of three. The list's texts are empty where SQL made the row, so opening 25 items is not in these figures. Restart: ${figure(restart)} s until the server is ready again.`,
    columns: ['what', 'p50 ms', 'p99 ms'],
    rows,
    aims: [
      { what: 'slowest p99 of a list', value: Math.max(...slowest), atMost: 50, unit: 'ms' },
      { what: 'p99 of a reservation against an empty vault', value: ratio, atMost: 1.2 },
      { what: 'restart', value: restart, atMost: 5, unit: 's' },
    ],
  };
}
