import { Injectable } from '@nestjs/common';
import { KeyStore, PersonalBoxes } from '@symbolon/crypto';
import { type List, type ListQuery, listOf, offsetOf } from '@symbolon/http';
import { Clock, instant, wholeSeconds } from '@symbolon/kernel';
import { DataSource } from 'typeorm';
import { openColumn } from '../token/token-boxes';
import type { TokenMeta } from '../token/token.events';
import { alive } from '../token/tokens.query';

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
  readonly sql: string;
  readonly params: readonly unknown[];
  /** What the blind indexes cannot tell apart is compared after opening. */
  readonly recheck: ((item: TokenItem) => boolean) | null;
}

/** Candidates that are opened at a time where the index alone does not decide. */
const batch = 200;
const order = 'order by t.created_at desc, t.token_id desc';

/** A profile's own tokens that are neither deleted nor expired, found by blind indexes and opened for the answer. */
@Injectable()
export class ListTokens {
  constructor(
    private readonly dataSource: DataSource,
    private readonly keys: KeyStore,
    private readonly boxes: PersonalBoxes,
    private readonly clock: Clock,
  ) {}

  async list(profileId: string, filters: Filters, page: ListQuery): Promise<List<TokenItem>> {
    const conditions = await this.conditions(profileId, filters);
    if (conditions.recheck) return this.listOpened(profileId, conditions, conditions.recheck, page);
    const { sql, params } = conditions;
    const [count] = await this.dataSource.query<Array<{ count: string }>>(
      `select count(*) as count from token_vault.token t where ${sql}`,
      [...params],
    );
    const rows = await this.rows(conditions, page.perPage, offsetOf(page));
    return listOf(await this.items(profileId, rows), Number(count?.count ?? 0), page);
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
      const rows = await this.rows(conditions, batch, offset);
      for (const item of (await this.items(profileId, rows)).filter(recheck)) {
        if (count >= first && found.length < page.perPage) found.push(item);
        count++;
      }
      if (rows.length < batch) return listOf(found, count, page);
    }
  }

  private async rows({ sql, params }: Conditions, limit: number, offset: number): Promise<Row[]> {
    return this.dataSource.query<Row[]>(
      `select t.* from token_vault.token t where ${sql} ${order} limit ${limit} offset ${offset}`,
      [...params],
    );
  }

  private async conditions(profileId: string, filters: Filters): Promise<Conditions> {
    const sql: string[] = [alive, 't.profile_id = $2'];
    const params: unknown[] = [this.clock.now(), profileId];
    const rechecks: Array<(item: TokenItem) => boolean> = [];
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
      where((param) => `t.extension_index = ${param}`, await this.boxes.blindIndex(profileId, 'extension', extension));
    }
    const type = meta['meta.data.type'];
    if (type !== undefined) {
      where((param) => `t.data_type_index = ${param}`, await this.boxes.blindIndex(profileId, 'dataType', type));
    }
    if (status !== undefined) where((param) => `t.status = ${param}`, status);
    if (token !== undefined) {
      where((param) => `t.token_id = ${param}`, await this.keys.findSecret('data-token', token));
    }
    const recheck = rechecks.length === 0 ? null : (item: TokenItem) => rechecks.every((holds) => holds(item));
    return { sql: sql.join(' and '), params, recheck };
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
      createdAt: timeOf(row.created_at),
      updatedAt: timeOf(row.updated_at),
      expiresAt: status === 'permanent' ? null : timeOf(row.expires_at),
    };
  }
}

function timeOf(date: Date): string {
  return wholeSeconds(instant(date.getTime()));
}
