import { type Clock, Gathered, type Instant, isOutage, millisOf, Unavailable } from '@symbolon/kernel';
import type { DataSource } from 'typeorm';

export type Direction = 'up' | 'down';

export interface Auth {
  readonly hash: string;
  readonly direction: Direction;
  readonly purpose: string;
  readonly id: string;
  /** Ids that the purpose's handler needs. No secrets. */
  readonly ref: object;
  readonly expiresAt: Instant;
}

/** An auth in the hands of one transfer. */
export interface Claim extends Auth {
  readonly holder: string;
}

/** Seconds that an auth stays taken without a sign of life from its transfer. */
const leaseSeconds = 45;

/** The table of auths. A spent or voided auth has no row: it is as unknown as any other text. */
export class AuthTable {
  private readonly issuing = new Gathered((auths: readonly Auth[]) => this.issueAll(auths));

  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Adds an auth and voids the others of its purpose and id, but for those that a transfer is using. */
  issue(auth: Auth): Promise<void> {
    return this.issuing.ask(auth);
  }

  private async issueAll(auths: readonly Auth[]): Promise<void[]> {
    const given = auths.map(({ expiresAt: expires_at, ...auth }) => ({ ...auth, expires_at }));
    await available(this.dataSource.query('select transfer.issue($1, $2)', [JSON.stringify(given), this.clock.now()]));
    return auths.map(() => undefined);
  }

  /**
   * Takes the auth that is stored under one of these hashes for one transfer; null where it is unknown, expired or in
   * use. One of any number of racers gets it.
   */
  async claim(hashes: readonly string[], direction: Direction, holder: string): Promise<Claim | null> {
    const [row] = await this.rows<{ hash: string; purpose: string; id: string; ref: object; expires_at: Date }>(
      `update transfer.auth set holder = $3, leased_until = $4
       where hash = any($1) and direction = $2 and expires_at > $5 and (holder is null or leased_until <= $5)
       returning hash, purpose, id, ref, expires_at`,
      [hashes, direction, holder, this.clock.after(leaseSeconds), this.clock.now()],
    );
    if (!row) return null;
    const { hash, purpose, id, ref, expires_at } = row;
    return { hash, direction, purpose, id, ref, expiresAt: expires_at.toISOString().replace('Z', '+00:00'), holder };
  }

  /** What the auth under one of these hashes is for; null where there is none. */
  async purposeOf(hashes: readonly string[], direction: Direction): Promise<string | null> {
    const rows = await available<Array<{ purpose: string }>>(
      this.dataSource.query('select purpose from transfer.auth where hash = any($1) and direction = $2', [
        hashes,
        direction,
      ]),
    );
    return rows[0]?.purpose ?? null;
  }

  /** False: the auth is another's by now, or gone. */
  async renew({ hash, holder }: Claim): Promise<boolean> {
    const rows = await this.rows(
      `update transfer.auth set leased_until = $3 where hash = $1 and holder = $2 returning hash`,
      [hash, holder, this.clock.after(leaseSeconds)],
    );
    return rows.length > 0;
  }

  /** The transfer broke: the auth can be used again. */
  async release({ hash, holder }: Claim): Promise<void> {
    await this.rows(
      `update transfer.auth set holder = null, leased_until = null where hash = $1 and holder = $2 returning hash`,
      [hash, holder],
    );
  }

  /** The transfer is complete. */
  async spend({ hash, holder }: Claim): Promise<void> {
    await this.rows(`delete from transfer.auth where hash = $1 and holder = $2 returning hash`, [hash, holder]);
  }

  async running(purpose: string, id: string): Promise<boolean> {
    const rows = await available<unknown[]>(
      this.dataSource.query(
        `select 1 from transfer.auth where purpose = $1 and id = $2 and leased_until > $3 limit 1`,
        [purpose, id, this.clock.now()],
      ),
    );
    return rows.length > 0;
  }

  async revoke(purpose: string, id: string): Promise<void> {
    await this.rows(`delete from transfer.auth where purpose = $1 and id = $2 returning hash`, [purpose, id]);
  }

  async purge(now: Instant): Promise<number> {
    const rows = await this.rows(
      `delete from transfer.auth where expires_at <= $1 and (holder is null or leased_until <= $1) returning hash`,
      [now],
    );
    return rows.length;
  }

  expired({ expiresAt }: Auth): boolean {
    return this.clock.millis() >= millisOf(expiresAt);
  }

  /** The rows that a writing statement returns; typeorm gives them with their number. */
  private async rows<T>(sql: string, params: unknown[]): Promise<T[]> {
    const [rows] = await available<[T[], number]>(this.dataSource.query(sql, params));
    return rows;
  }
}

async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isOutage(error) ? new Unavailable('database', { cause: error }) : error;
  }
}
