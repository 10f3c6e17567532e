import { Injectable } from '@nestjs/common';
import { KeyStore, PersonalBoxes } from '@symbolon/crypto';
import {
  type AccessToken,
  type ClientApplication,
  ClientApplications,
  isUuid,
  type List,
  listOf,
  type ListQuery,
  offsetOf,
} from '@symbolon/http';
import { Clock, Gathered, instant, wholeSeconds } from '@symbolon/kernel';
import { DataSource } from 'typeorm';

interface Row {
  readonly application_id: string;
  readonly profile_id: string;
  readonly client_id: string;
  readonly redirect_uri: string;
  readonly scopes: string[];
  readonly secret_key_id: string;
  readonly registered: { readonly id: string; readonly type: string; readonly data: unknown };
  readonly created_at: Date;
}

interface TokenRow {
  readonly token_id: string;
  readonly authorization_id: string;
  readonly profile_id: string;
  readonly application_id: string;
  readonly client_id: string;
  readonly scope: string[];
  readonly has_key: boolean;
  readonly expires_at: Date;
  readonly replaced: boolean;
  readonly family_ended: boolean;
}

/** The pair that a refresh token belongs to. */
export interface ShownPair {
  readonly tokenId: string;
  readonly familyId: string;
  readonly familyEnded: boolean;
}

export interface KnownApplication extends ClientApplication {
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  readonly secretKeyId: string;
  /** Null once its owner is erased. */
  readonly name: string | null;
  readonly clientSecretOnce: string | null;
  readonly createdAt: string;
}

/** A consent that a code leads to. */
export interface CodeHolder {
  readonly authorizationId: string;
  readonly applicationId: string;
  readonly profileId: string;
}

/** Who was registered while its owner was being deleted is as good as nobody. */
const ofTheLiving = 'select o.* from identity.oauth_application o join identity.profile p using (profile_id)';
const tokenForm = /^T-[A-Za-z0-9_-]{43}$/;

/** Applications and their tokens: keyed hashes find the ids, the read model says what lives. */
@Injectable()
export class Applications extends ClientApplications {
  private readonly rows = new Gathered((tokenIds: readonly string[]) => this.tokensOf(tokenIds));

  constructor(
    private readonly dataSource: DataSource,
    private readonly boxes: PersonalBoxes,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
  ) {
    super();
  }

  async authenticate(clientId: string, clientSecret: string): Promise<ClientApplication | null> {
    if (!isUuid(clientId)) return null;
    const secretKeyId = await this.keys.findSecret('client-secret', clientSecret);
    if (secretKeyId === null) return null;
    const [row] = await this.dataSource.query<Row[]>(`${ofTheLiving} where o.client_id = $1 and o.secret_key_id = $2`, [
      clientId,
      secretKeyId,
    ]);
    return row ? { applicationId: row.application_id, clientId, profileId: row.profile_id } : null;
  }

  async accessToken(token: string): Promise<AccessToken | null> {
    if (!tokenForm.test(token)) return null;
    const tokenId = await this.keys.findSecret('oauth-access', token);
    const row = tokenId === null ? null : await this.rows.ask(tokenId);
    return row ? this.tokenOf(row) : null;
  }

  /** The pair that a refresh token belongs to, also when it is over. */
  async pairOf(refreshToken: string): Promise<ShownPair | null> {
    const tokenId = await this.keys.findSecret('oauth-refresh', refreshToken);
    const row = tokenId === null ? null : await this.rows.ask(tokenId);
    return row ? { tokenId: row.token_id, familyId: row.authorization_id, familyEnded: row.family_ended } : null;
  }

  /** Null for a code that is unknown, or whose consent has ended. */
  async holderOf(code: string): Promise<CodeHolder | null> {
    const codeId = await this.keys.findSecret('oauth-code', code);
    if (codeId === null) return null;
    const [row] = await this.dataSource.query<TokenRow[]>(
      'select * from identity.oauth_authorization where code_id = $1 and not ended',
      [codeId],
    );
    return row
      ? { authorizationId: row.authorization_id, applicationId: row.application_id, profileId: row.profile_id }
      : null;
  }

  async find(applicationId: string): Promise<KnownApplication | null> {
    const [row] = await this.dataSource.query<Row[]>(`${ofTheLiving} where o.application_id = $1`, [applicationId]);
    return row ? this.known(row) : null;
  }

  async byClient(clientId: string): Promise<KnownApplication | null> {
    if (!isUuid(clientId)) return null;
    const [row] = await this.dataSource.query<Row[]>(`${ofTheLiving} where o.client_id = $1`, [clientId]);
    return row ? this.known(row) : null;
  }

  /** Whether the profile has registered the application, or consented to it. */
  async concerns(applicationId: string, profileId: string): Promise<boolean> {
    const rows = await this.dataSource.query<unknown[]>(
      `select 1 from identity.oauth_application where application_id = $1 and profile_id = $2
       union all (select 1 from identity.oauth_authorization where application_id = $1 and profile_id = $2 limit 1)`,
      [applicationId, profileId],
    );
    return rows.length > 0;
  }

  /** Row 16. */
  async list(profileId: string, page: ListQuery): Promise<List<object>> {
    const rows = await this.dataSource.query<Row[]>(
      `select * from identity.oauth_application where profile_id = $1
        order by created_at desc, application_id desc limit $2 offset $3`,
      [profileId, page.perPage, offsetOf(page)],
    );
    const [counted] = await this.dataSource.query<Array<{ count: string }>>(
      'select count(*) as count from identity.oauth_application where profile_id = $1',
      [profileId],
    );
    const items = await Promise.all(
      rows.map(async (row) => {
        const { applicationId, clientId, name, redirectUri, scopes, createdAt } = await this.known(row);
        return { applicationId, clientId, name, redirectUri, scopes, createdAt: wholeSeconds(createdAt) };
      }),
    );
    return listOf(items, Number(counted?.count ?? 0), page);
  }

  private async known(row: Row): Promise<KnownApplication> {
    const { application_id: applicationId, profile_id: profileId, registered } = row;
    const fields = await this.boxes.open({ ...registered, stream: `application-${applicationId}` }, profileId);
    return {
      applicationId,
      profileId,
      clientId: row.client_id,
      redirectUri: row.redirect_uri,
      scopes: row.scopes,
      secretKeyId: row.secret_key_id,
      name: textOf(fields?.['name']),
      clientSecretOnce: textOf(fields?.['clientSecretOnce']),
      createdAt: instant(row.created_at.getTime()),
    };
  }

  private tokenOf(row: TokenRow): AccessToken {
    const expiresAt = instant(row.expires_at.getTime());
    return {
      kind: 'application',
      tokenId: row.token_id,
      profileId: row.profile_id,
      applicationId: row.application_id,
      clientId: row.client_id,
      scopes: row.scope,
      hasPublicKey: row.has_key,
      expiresAt,
      familyId: row.authorization_id,
      state: row.family_ended || row.replaced ? 'ended' : expiresAt <= this.clock.now() ? 'expired' : 'live',
    };
  }

  private async tokensOf(tokenIds: readonly string[]): Promise<Array<TokenRow | undefined>> {
    const rows = await this.dataSource.query<TokenRow[]>(
      `select t.token_id, t.authorization_id, t.expires_at, a.profile_id, a.application_id, a.scope, o.client_id,
              p.public_key is not null as has_key, a.ended or p.barred as family_ended, a.token_id <> t.token_id as replaced
         from identity.oauth_token t join identity.oauth_authorization a using (authorization_id)
         join identity.oauth_application o using (application_id)
         join identity.profile p on p.profile_id = a.profile_id
         join identity.profile owner on owner.profile_id = o.profile_id
        where t.token_id = any($1)`,
      [tokenIds],
    );
    const known = new Map(rows.map((row) => [row.token_id, row]));
    return tokenIds.map((id) => known.get(id));
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
