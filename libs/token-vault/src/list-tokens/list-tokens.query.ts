import { Injectable } from '@nestjs/common';
import { KeyStore, PersonalBoxes } from '@symbolon/crypto';
import { type List, type ListQuery, listOf, offsetOf } from '@symbolon/http';
import { Clock, wholeSeconds } from '@symbolon/kernel';
import { DataSource, type EntityManager } from 'typeorm';
import { openColumn } from '../token/token-boxes';
import type { TokenMeta } from '../token/token.events';
import { alive } from '../token/tokens.query';
import { type Place, rangeSize, TokenRanges } from './token-ranges.query';

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
  /** Of a row `t` of the list; `$1` is the time, `$2` the profile. */
  readonly sql: string;
  /** The filters alone. */
  readonly filters: string;
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
/** So many hits are sorted rather than looked for in the order of the list, where no count says where they are. */
const few = 5000;
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
    private readonly ranges: TokenRanges,
  ) {}

  async list(profileId: string, filters: Filters, page: ListQuery): Promise<List<TokenItem>> {
    const conditions = await this.conditions(profileId, filters);
    if (conditions.recheck) return this.listOpened(profileId, conditions, conditions.recheck, page);
    // What is counted and what is shown must be of one moment: a page would otherwise begin beside its place.
    const { count, rows } = await this.dataSource.transaction('REPEATABLE READ', (tx) =>
      this.page(tx, profileId, conditions, page),
    );
    return listOf(await this.items(profileId, rows), count, page);
  }

  private async page(
    tx: EntityManager,
    profileId: string,
    conditions: Conditions,
    page: ListQuery,
  ): Promise<{ readonly count: number; readonly rows: readonly Row[] }> {
    const { sql, params, values, status, token } = conditions;
    const [offset, limit] = [offsetOf(page), page.perPage];
    const [value = ''] = values;
    const counted =
      token === undefined && values.length <= 1 && (value === '' || (await this.ranges.known(tx, profileId, value)));
    if (counted) {
      const gone = `not ${alive} and ${conditions.filters}`;
      const place = await this.ranges.place(tx, { profileId, value, status, gone, params, offset, limit });
      // Hits that are rare in their ranges are found first and sorted then.
      const rare = value !== '' && place.count < place.ranges.length * rangeSize;
      const rows = rare
        ? await this.sorted(tx, conditions, limit, offset)
        : await this.inRanges(tx, conditions, place, limit);
      return { count: place.count, rows };
    }
    const [hits] = await tx.query<Array<{ count: string }>>(
      `select count(*) as count from token_vault.token t where ${sql}`,
      [...params],
    );
    const count = Number(hits?.count ?? 0);
    if (offset >= count) return { count, rows: [] };
    const rows =
      count <= few
        ? await this.sorted(tx, conditions, limit, offset)
        : await tx.query<Row[]>(
            `select t.* from token_vault.token t where ${sql} ${order} limit ${limit} offset ${offset}`,
            [...params],
          );
    return { count, rows };
  }

  private async sorted(tx: EntityManager, { sql, params }: Conditions, limit: number, offset: number): Promise<Row[]> {
    return tx.query<Row[]>(
      `select * from (select * from token_vault.token t where ${sql} offset 0) t ${order} limit ${limit} offset ${offset}`,
      [...params],
    );
  }

  /** The page out of its ranges. `offset 0` keeps the planner from another way than along the list, one range at a time. */
  private async inRanges(
    tx: EntityManager,
    { sql, params }: Conditions,
    { ranges, skip }: Place,
    limit: number,
  ): Promise<Row[]> {
    if (ranges.length === 0) return [];
    const [start, end] = [1, 2].map((n) => `$${params.length + n}::timestamptz[]`);
    return tx.query<Row[]>(
      `select t.* from unnest(${start}, ${end}) as range(start, "end"), lateral (
         select * from (
           select * from token_vault.token t
            where ${listed} and t.created_at >= range.start and t.created_at < range."end" ${order} offset 0) t
          where ${sql} ${order} limit ${skip + limit}) t ${order} limit ${limit} offset ${skip}`,
      [...params, ranges.map((range) => range.start), ranges.map((range) => range.end)],
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
    for (let last: Row | undefined; ;) {
      const rows = await this.candidates(conditions, last);
      for (const item of (await this.items(profileId, rows)).filter(recheck)) {
        if (count >= first && found.length < page.perPage) found.push(item);
        count++;
      }
      last = rows.at(-1);
      if (rows.length < batch) return listOf(found, count, page);
    }
  }

  /** The next ones after `last`, which stays where it was whatever has come or gone meanwhile. */
  private async candidates({ sql, params }: Conditions, last: Row | undefined): Promise<Row[]> {
    const after = `and (t.created_at, t.token_id) <
      (select created_at, token_id from token_vault.token where token_id = $${params.length + 1})`;
    return this.dataSource.query<Row[]>(
      `select t.* from token_vault.token t where ${sql} ${last ? after : ''} ${order} limit ${batch}`,
      last ? [...params, last.token_id] : [...params],
    );
  }

  private async conditions(profileId: string, filters: Filters): Promise<Conditions> {
    const sql: string[] = [];
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
    return {
      sql: [listed, alive, ...sql].join(' and '),
      filters: sql.join(' and ') || 'true',
      params,
      values,
      status,
      token,
      recheck,
    };
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
