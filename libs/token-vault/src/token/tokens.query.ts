import { Injectable } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { Problem } from '@symbolon/http';
import { Clock, Gathered } from '@symbolon/kernel';
import { DataSource } from 'typeorm';

export interface TokenRow {
  readonly token_id: string;
  readonly profile_id: string;
  readonly status: 'temporary' | 'permanent' | 'expired' | 'deleted';
  readonly writing: boolean;
  readonly expires_at: Date;
  readonly context: string | null;
}

/** How a command names a token in its input: by id, or an unknown one by its hash (contract, section 18). */
export type TokenRef = { readonly tokenId: string } | { readonly tokenId: null; readonly tokenHash: string };

/** A temporary token past its time is gone, unless something is under way that may still make it permanent. */
export const alive = `(t.status = 'permanent' or t.status = 'temporary' and (t.expires_at > $1 or t.writing
  or exists (select from token_vault.pending_command c where c.token_id = t.token_id)
  or exists (select from token_vault.parcel p where p.token_id = t.token_id)))`;

/** Looks tokens up. A hit is not access: callers compare the owner. */
@Injectable()
export class Tokens {
  private readonly rows = new Gathered((tokenIds: readonly string[]) => this.rowsOf(tokenIds));

  constructor(
    private readonly keys: KeyStore,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** The token with this string, whoever owns it and whatever its state; null when unknown or deleted. */
  async find(token: string): Promise<TokenRow | null> {
    const tokenId = await this.keys.findSecret('data-token', token);
    return tokenId === null ? null : this.byId(tokenId);
  }

  byId(tokenId: string): Promise<TokenRow | null> {
    return this.rows.ask(tokenId);
  }

  private async rowsOf(tokenIds: readonly string[]): Promise<Array<TokenRow | null>> {
    const rows = await this.dataSource.query<TokenRow[]>('select * from token_vault.token where token_id = any($1)', [
      tokenIds,
    ]);
    const known = new Map(rows.map((row) => [row.token_id, row]));
    return tokenIds.map((tokenId) => known.get(tokenId) ?? null);
  }

  /** What a command's input says of a token: its id only where it is this profile's. */
  async refer(token: string, profileId: string): Promise<TokenRef> {
    const row = await this.find(token);
    if (row?.profile_id === profileId) return { tokenId: row.token_id };
    return { tokenId: null, tokenHash: this.keys.hashSecret('data-token', token) };
  }

  /**
   * The id of a live token of the caller's; 404 `data_token.not_found` for every other. A token of somebody else is
   * reported to `denied` first.
   */
  async own(token: string, { profileId }: ProfileCaller, denied: () => Promise<void>): Promise<string> {
    const row = await this.find(token);
    if (row && row.profile_id !== profileId) await denied();
    if (row?.profile_id !== profileId || !(await this.isAlive(row.token_id))) {
      throw new Problem(404, 'data_token.not_found');
    }
    return row.token_id;
  }

  private async isAlive(tokenId: string): Promise<boolean> {
    const [row] = await this.dataSource.query<object[]>(
      `select from token_vault.token t where ${alive} and t.token_id = $2`,
      [this.clock.now(), tokenId],
    );
    return row !== undefined;
  }

  /** The token that this command has reserved. */
  async reservedBy(commandId: string): Promise<TokenRow | null> {
    const [row] = await this.dataSource.query<TokenRow[]>('select * from token_vault.token where reserved_by = $1', [
      commandId,
    ]);
    return row ?? null;
  }

  async commandPending(tokenId: string): Promise<boolean> {
    const [row] = await this.dataSource.query<object[]>(
      'select from token_vault.pending_command where token_id = $1 limit 1',
      [tokenId],
    );
    return row !== undefined;
  }

  /** Identifiers of the profile's storage devices. */
  async storageDevices(profileId: string): Promise<string[]> {
    const rows = await this.dataSource.query<Array<{ device_identifier: string }>>(
      'select device_identifier from token_vault.storage_device where profile_id = $1',
      [profileId],
    );
    return rows.map((row) => row.device_identifier);
  }

  async hasStorage(profileId: string): Promise<boolean> {
    return (await this.storageDevices(profileId)).length > 0;
  }

  /** The profile's registered public key, 200 hex digits. */
  async publicKey(profileId: string): Promise<string | null> {
    const [row] = await this.dataSource.query<Array<{ public_key: string }>>(
      'select public_key from token_vault.public_key where profile_id = $1',
      [profileId],
    );
    return row?.public_key ?? null;
  }
}
