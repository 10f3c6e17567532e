import { Injectable, type OnModuleInit } from '@nestjs/common';
import { KeyStore, type LookupKind } from '@symbolon/crypto';
import { Clock, type Instant } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { Registry } from '@symbolon/platform';
import { DataSource } from 'typeorm';

interface Source {
  readonly table: string;
  readonly key: string;
  /** Column of the last moment at which the row matters. */
  readonly until: string;
  /** Column of the id that secrets of these kinds lead to. */
  readonly secret: string;
  readonly kinds: readonly LookupKind[];
}

const sources: readonly Source[] = [
  {
    table: 'identity.session',
    key: 'token_id',
    until: 'expires_at',
    secret: 'token_id',
    kinds: ['authorization'],
  },
  {
    table: 'identity.oauth_token',
    key: 'token_id',
    until: 'refresh_expires_at',
    secret: 'token_id',
    kinds: ['oauth-access', 'oauth-refresh'],
  },
  {
    table: 'identity.oauth_authorization',
    key: 'authorization_id',
    until: 'usable_until',
    secret: 'code_id',
    kinds: ['oauth-code'],
  },
];

const every = 60_000;
/** Seconds that a row stays after its end: a vote on prolonging a token may come in late. */
const grace = 24 * 3600;
/** Rows of one statement, and statements of one round and table. */
export const batch = 500;
const batches = 20;

/**
 * Forgets tokens and codes that are over, in small steps beside the traffic. What they were stays in the log; these rows
 * only say what lives, and nothing over comes to life by being forgotten.
 */
@Injectable()
export class ExpiredCredentials implements OnModuleInit {
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<unknown> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly dataSource: DataSource,
    private readonly keys: KeyStore,
    private readonly clock: Clock,
    private readonly registry: Registry,
    private readonly log: Logger,
  ) {}

  onModuleInit(): void {
    this.registry.loop(this);
  }

  start(): void {
    this.stopped = false;
    this.timer = setInterval(() => {
      this.sweeping = this.sweeping.then(() => this.sweep());
    }, every).unref();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.sweeping;
  }

  /** One round; answers how many rows went. A failure waits for the next round. */
  async sweep(): Promise<number> {
    let gone = 0;
    try {
      for (const source of sources) gone += await this.purge(source, this.clock.after(-grace));
    } catch (error) {
      this.log.warn({ error }, 'forgetting expired tokens failed and will be tried again');
    }
    return gone;
  }

  private async purge({ table, key, until, secret, kinds }: Source, before: Instant): Promise<number> {
    let gone = 0;
    for (let round = 0; round < batches && !this.stopped; round++) {
      const rows = await this.dataSource.query<Array<{ id: string; secret: string | null }>>(
        `select ${key} as id, ${secret} as secret from ${table} where ${until} < $1 order by ${until} limit $2`,
        [before, batch],
      );
      // The secrets first: a row that is still there is found again after a crash.
      const secrets = rows.flatMap((row) => row.secret ?? []);
      for (const kind of kinds) await this.keys.forgetSecrets(kind, secrets);
      await this.dataSource.query(`delete from ${table} where ${key} = any($1)`, [rows.map(({ id }) => id)]);
      gone += rows.length;
      if (rows.length < batch) break;
    }
    return gone;
  }
}
