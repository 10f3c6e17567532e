import { Injectable } from '@nestjs/common';
import { KeyStore, PersonalBoxes } from '@symbolon/crypto';
import { type List, type ListQuery, listOf, offsetOf } from '@symbolon/http';
import { Clock, wholeSeconds } from '@symbolon/kernel';
import { DataSource } from 'typeorm';
import { openColumn } from '../token/token-boxes';
import type { TokenMeta } from '../token/token.events';
import { alive } from '../token/tokens.query';
import { TokenCounts } from './token-counts.query';

export const filterNames = [
  'meta.file.fileName',
  'meta.file.extension',
  'meta.data.type',
  'context',
  'token',
  'status',
] as const;

export type Filters = { readonly [name in (typeof filterNames)[number]]?: string };

export interface TokenItem {
  readonly token: string | null;
  readonly context: string | null;
  readonly meta: {
    readonly file: TokenMeta['file'];
    readonly data: TokenMeta['data'];
    readonly information_security_risk: TokenMeta['information_security_risk'];
  };
  readonly status: 'temporary' | 'permanent';
  readonly size: number | null;
  readonly version: number | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly expiresAt: string | null;
}

interface Row {
  token_id: string;
  status: 'temporary' | 'permanent';
  version: number | null;
  size: string | null;
  context: string | null;
  file: string | null;
  data: string | null;
  security: string | null;
  created_at: Date;
  updated_at: Date;
  expires_at: Date;
}

interface Conditions {
  /** Of a row `t`; `$1` is the time, `$2` the profile. */
  readonly sql: string;
  readonly params: readonly unknown[];
  /** Values of blind indexes that a row must have. */
  readonly values: readonly string[];
  readonly status: string | undefined;
  readonly token: string | undefined;
  /** What the blind indexes cannot tell apart is compared after opening. */
  readonly recheck: ((item: TokenItem) => boolean) | null;
}

/** Candidates that are opened at a time where the index alone does not decide. */
const batch = 200;
/** So many hits are sorted rather than looked for in the order of the list. */
const few = 5000;
/** An offset up to which rows are simply passed over. */
const near = 2000;
const listed = `t.profile_id = $2 and t.status in ('permanent', 'temporary')`;
const order = 'order by t.created_at desc, t.token_id desc';

/** A profile's own tokens that are neither deleted nor expired, found by blind indexes and opened for the answer. */
@Injectable()
export class ListTokens {
  constructor(
    private readonly dataSource: DataSource,
    private readonly keys: KeyStore,
    private readonly boxes: PersonalBoxes,
    private readonly clock: Clock,
    private readonly counts: TokenCounts,
  ) {}

  async list(profileId: string, filters: Filters, page: ListQuery): Promise<List<TokenItem>> {
    const conditions = await this.conditions(profileId, filters);
    if (conditions.recheck) return this.listOpened(profileId, conditions, conditions.recheck, page);
    const permanent = await this.permanent(profileId, conditions);
    const count = (await this.temporary(conditions)) + permanent;
    const offset = offsetOf(page);
    if (offset >= count) return listOf([], count, page);
    const rows = await this.rows(profileId, conditions, permanent, page.perPage, offset);
    return listOf(await this.items(profileId, rows), count, page);
  }

  /** Kept counts spare the look at every row; two filters together are counted where one of them leaves little. */
  private async permanent(profileId: string, conditions: Conditions): Promise<number> {
    const { values, status, token } = conditions;
    if (status !== undefined && status !== 'permanent') return 0;
    if (token === undefined && values.length <= 1) {
      const kept = await this.counts.of(profileId, values[0] ?? '');
      if (kept !== null) return kept;
    }
    const { sql, params } = conditions;
    return this.count(
      `select count(*) as count from token_vault.token t where ${sql} and t.status = 'permanent'`,
      params,
    );
  }

  /** There are few of them, as none lives longer than an hour. */
  private async temporary({ sql, params, status }: Conditions): Promise<number> {
    if (status !== undefined && status !== 'temporary') return 0;
    return this.count(
      `select count(*) as count from token_vault.token t where ${sql} and t.status = 'temporary'`,
      params,
    );
  }

  private async count(sql: string, params: readonly unknown[]): Promise<number> {
    const [row] = await this.dataSource.query<Array<{ count: string }>>(sql, [...params]);
    return Number(row?.count ?? 0);
  }

  private async rows(
    profileId: string,
    conditions: Conditions,
    permanent: number,
    limit: number,
    offset: number,
  ): Promise<Row[]> {
    const { sql, params, values, status, token } = conditions;
    if (values.length > 0 || token !== undefined) {
      // Found first and sorted then, or looked for in the order of the list, where every so many rows is a hit.
      const hits = permanent <= few ? `(select * from token_vault.token t where ${sql} offset 0)` : 'token_vault.token';
      return this.dataSource.query<Row[]>(
        `select t.* from ${hits} t where ${sql} ${order} limit ${limit} offset ${offset}`,
        [...params],
      );
    }
    const start = offset > near && status !== 'temporary' ? await this.startOf(profileId, conditions, offset) : null;
    return this.dataSource.query<Row[]>(
      `select t.* from token_vault.token t where ${sql} ${start ? `and t.created_at < $${params.length + 1}` : ''}
        ${order} limit ${limit} offset ${start?.offset ?? offset}`,
      start ? [...params, start.before] : [...params],
    );
  }

  /** Where to begin for a page far from the first: permanent tokens are counted by time, the temporary ones are few. */
  private async startOf(profileId: string, { sql, params, status }: Conditions, offset: number) {
    const temporary =
      status === 'permanent'
        ? []
        : await this.dataSource.query<Array<{ created_at: Date }>>(
            `select t.created_at from token_vault.token t where ${sql} and t.status = 'temporary'`,
            [...params],
          );
    return this.counts.place(
      profileId,
      offset,
      temporary.map((row) => row.created_at.getTime()),
    );
  }

  private async listOpened(
    profileId: string,
    conditions: Conditions,
    recheck: (item: TokenItem) => boolean,
    page: ListQuery,
  ): Promise<List<TokenItem>> {
    const first = offsetOf(page);
    const found: TokenItem[] = [];
    let count = 0;
    for (let offset = 0; ; offset += batch) {
      const rows = await this.candidates(conditions, batch, offset);
      for (const item of (await this.items(profileId, rows)).filter(recheck)) {
        if (count >= first && found.length < page.perPage) found.push(item);
        count++;
      }
      if (rows.length < batch) return listOf(found, count, page);
    }
  }

  private async candidates({ sql, params }: Conditions, limit: number, offset: number): Promise<Row[]> {
    return this.dataSource.query<Row[]>(
      `select t.* from token_vault.token t where ${sql} ${order} limit ${limit} offset ${offset}`,
      [...params],
    );
  }

  private async conditions(profileId: string, filters: Filters): Promise<Conditions> {
    const sql: string[] = [listed, alive];
    const params: unknown[] = [this.clock.now(), profileId];
    const rechecks: Array<(item: TokenItem) => boolean> = [];
    const values: string[] = [];
    const where = (condition: (param: string) => string, value: unknown) => {
      params.push(value);
      sql.push(condition(`$${params.length}`));
    };
    const prefixed = async (column: string, index: string, value: string, of: (item: TokenItem) => unknown) => {
      const wanted = value.endsWith('*') ? value.slice(0, -1) : null;
      const length = wanted === null ? 0 : [...wanted].length;
      // Every text begins with the empty one; only the comparison rules out tokens without the field.
      const prefix = this.boxes.prefixLengths.filter((candidate) => candidate <= length).at(-1);
      if (wanted === null || prefix !== undefined) {
        const hash = await this.boxes.blindIndex(
          profileId,
          index,
          wanted ?? value,
          wanted === null ? undefined : prefix,
        );
        values.push(hash);
        where((param) => `${column} @> array[${param}]::text[]`, hash);
      }
      if (wanted !== null && prefix !== length) {
        rechecks.push((item) => {
          const text = of(item);
          return typeof text === 'string' && text.startsWith(wanted);
        });
      }
    };

    const { context, token, status, ...meta } = filters;
    if (context !== undefined) await prefixed('t.context_index', 'context', context, (item) => item.context);
    const fileName = meta['meta.file.fileName'];
    if (fileName !== undefined) {
      await prefixed('t.file_name_index', 'fileName', fileName, ({ meta: { file } }) => file?.fileName);
    }
    const extension = meta['meta.file.extension'];
    if (extension !== undefined) {
      const hash = await this.boxes.blindIndex(profileId, 'extension', extension);
      values.push(hash);
      where((param) => `t.extension_index = ${param}`, hash);
    }
    const type = meta['meta.data.type'];
    if (type !== undefined) {
      const hash = await this.boxes.blindIndex(profileId, 'dataType', type);
      values.push(hash);
      where((param) => `t.data_type_index = ${param}`, hash);
    }
    if (status !== undefined) where((param) => `t.status = ${param}`, status);
    if (token !== undefined) {
      where((param) => `t.token_id = ${param}`, await this.keys.findSecret('data-token', token));
    }
    const recheck = rechecks.length === 0 ? null : (item: TokenItem) => rechecks.every((holds) => holds(item));
    return { sql: sql.join(' and '), params, values, status, token, recheck };
  }

  private async items(profileId: string, rows: readonly Row[]): Promise<TokenItem[]> {
    const tokenIds = rows.map((row) => row.token_id);
    const texts = await this.keys.readStrings(profileId, tokenIds);
    return Promise.all(rows.map((row) => this.item(profileId, row, texts.get(row.token_id) ?? null)));
  }

  private async item(profileId: string, row: Row, token: string | null): Promise<TokenItem> {
    const { token_id: tokenId, status, version, size } = row;
    const open = <T>(column: 'context' | 'file' | 'data' | 'security') =>
      openColumn<T>(this.boxes, profileId, tokenId, column, row[column]);
    return {
      token,
      context: await open<string>('context'),
      meta: {
        file: await open<NonNullable<TokenMeta['file']>>('file'),
        data: await open<Record<string, unknown>>('data'),
        information_security_risk: await open<NonNullable<TokenMeta['information_security_risk']>>('security'),
      },
      status,
      size: size === null ? null : Number(size),
      version,
      createdAt: wholeSeconds(row.created_at),
      updatedAt: wholeSeconds(row.updated_at),
      expiresAt: status === 'permanent' ? null : wholeSeconds(row.expires_at),
    };
  }
}
