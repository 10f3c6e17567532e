import { Injectable } from '@nestjs/common';
import { PersonalBoxes } from '@symbolon/crypto';
import { type List, listOf, type ListQuery, offsetOf } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { DataSource } from 'typeorm';

interface Row {
  readonly device_identifier: string;
  readonly verified: boolean;
  readonly registered_at: Date;
  readonly last_vote_at: Date | null;
  readonly owner_profile_id: string | null;
  readonly named: { readonly id: string; readonly type: string; readonly data: unknown } | null;
}

@Injectable()
export class ListAuthenticators {
  constructor(
    private readonly dataSource: DataSource,
    private readonly boxes: PersonalBoxes,
    private readonly registry: Registry,
  ) {}

  /** Row 48. */
  async list(profileId: string, page: ListQuery): Promise<List<object>> {
    const [total] = await this.dataSource.query<Array<{ count: string }>>(
      'select count(*) as count from voting.authenticator where profile_id = $1',
      [profileId],
    );
    const rows = await this.dataSource.query<Row[]>(
      `select a.*, d.owner_profile_id, d.named
         from voting.authenticator a left join voting.device d using (device_identifier)
        where a.profile_id = $1 order by a.registered_at desc, a.device_identifier desc limit $2 offset $3`,
      [profileId, page.perPage, offsetOf(page)],
    );
    const seen = await this.registry.seen(rows.map((row) => row.device_identifier));
    const items = await Promise.all(
      rows.map(async (row) => {
        const { online = false, lastSeenAt = null } = seen.get(row.device_identifier) ?? {};
        return {
          deviceIdentifier: row.device_identifier,
          name: await this.nameOf(row),
          verified: row.verified,
          online,
          lastSeenAt: lastSeenAt && wholeSeconds(lastSeenAt),
          registeredAt: wholeSeconds(row.registered_at),
          lastVoteAt: row.last_vote_at && wholeSeconds(row.last_vote_at),
        };
      }),
    );
    return listOf(items, Number(total?.count ?? 0), page);
  }

  private async nameOf({ device_identifier, owner_profile_id, named }: Row): Promise<unknown> {
    if (!named || owner_profile_id === null) return null;
    const fields = await this.boxes.open({ ...named, stream: `device-${device_identifier}` }, owner_profile_id);
    return fields?.['deviceName'] ?? null;
  }
}
