import { Injectable } from '@nestjs/common';
import { KeyStore } from '@symbolon/crypto';
import { type Session, Sessions } from '@symbolon/http';
import { Clock, Gathered, instant } from '@symbolon/kernel';
import { DataSource } from 'typeorm';

interface Row {
  token_id: string;
  profile_id: string;
  kind: 'user' | 'device';
  has_key: boolean;
  expires_at: Date;
}

const form = /^T-[A-Za-z0-9_-]{43}$/;

/** Sessions by token: the keyed hash finds the id, the read model says whether it lives. */
@Injectable()
export class KnownSessions extends Sessions {
  private readonly rows = new Gathered((tokenIds: readonly string[]) => this.liveOf(tokenIds));

  constructor(
    private readonly keys: KeyStore,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {
    super();
  }

  async find(token: string): Promise<Session | null> {
    if (!form.test(token)) return null;
    const tokenId = await this.keys.findSecret('authorization', token);
    return tokenId === null ? null : this.byId(tokenId);
  }

  private async byId(tokenId: string): Promise<Session | null> {
    const row = await this.rows.ask(tokenId);
    if (!row) return null;
    const { profile_id: profileId, kind, has_key: hasPublicKey, expires_at: expiresAt } = row;
    return { tokenId, profileId, kind, hasPublicKey, expiresAt: instant(expiresAt.getTime()) };
  }

  private async liveOf(tokenIds: readonly string[]): Promise<Array<Row | undefined>> {
    const rows = await this.dataSource.query<Row[]>(
      `select s.token_id, s.profile_id, p.kind, p.public_key is not null as has_key, s.expires_at
         from identity.session s join identity.profile p using (profile_id)
        where s.token_id = any($1) and not s.revoked and not p.barred and s.expires_at > $2`,
      [tokenIds, this.clock.now()],
    );
    const live = new Map(rows.map((row) => [row.token_id, row]));
    return tokenIds.map((id) => live.get(id));
  }
}
