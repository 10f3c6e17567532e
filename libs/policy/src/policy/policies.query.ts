import { Injectable } from '@nestjs/common';
import { PersonalBoxes } from '@symbolon/crypto';
import { type List, listOf, type ListQuery, offsetOf } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import { DataSource } from 'typeorm';

interface Row {
  readonly id: string;
  readonly profile_id: string;
  readonly name: string;
  readonly template_id: string;
  readonly event_ids: readonly string[];
  readonly registered: { readonly id: string; readonly data: unknown };
  readonly configuration_name: string | null;
  readonly active: boolean;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly total: string;
}

const rows = `select p.*, v.name as configuration_name, count(*) over () as total
  from policy.policy p left join policy.voting_configuration v on v.id = p.voting_configuration_id`;

@Injectable()
export class PolicyRows {
  constructor(
    private readonly dataSource: DataSource,
    private readonly boxes: PersonalBoxes,
  ) {}

  /** Rows 61, 62 and 66; `active` null = both. */
  async list(profileId: string, active: boolean | null, page: ListQuery): Promise<List<object>> {
    const filter = 'p.profile_id = $1 and ($2::boolean is null or p.active = $2)';
    const found = await this.dataSource.query<Row[]>(
      `${rows} where ${filter} order by p.created_at desc, p.id desc limit $3 offset $4`,
      [profileId, active, page.perPage, offsetOf(page)],
    );
    const count = found[0] ? Number(found[0].total) : await this.count(filter, [profileId, active]);
    return listOf(await Promise.all(found.map((row) => this.shown(row))), count, page);
  }

  /** Whether anybody has this policy. */
  async exists(id: string): Promise<boolean> {
    const found = await this.dataSource.query<unknown[]>('select 1 from policy.policy where id = $1', [id]);
    return found.length > 0;
  }

  /** Row 67. An id comes before a name that looks like one. */
  async find(profileId: string, nameOrId: string): Promise<object | null> {
    // No name has one, and the database refuses it.
    if (nameOrId.includes('\0')) return null;
    const [row] = await this.dataSource.query<Row[]>(
      `${rows} where p.profile_id = $1 and (p.id::text = $2 or p.name = $2) order by (p.id::text = $2) desc limit 1`,
      [profileId, nameOrId],
    );
    return row ? this.shown(row) : null;
  }

  private async shown(row: Row): Promise<object> {
    const stream = `policies-${row.profile_id}`;
    const opened = await this.boxes.open({ ...row.registered, type: 'policy.registered', stream }, row.profile_id);
    return {
      id: row.id,
      name: row.name,
      policyTemplateId: row.template_id,
      applyingEventIds: row.event_ids,
      configuration: opened?.['configuration'] ?? {},
      votingConfigurationId: row.configuration_name,
      configurationId: row.configuration_name,
      active: row.active,
      createdAt: wholeSeconds(row.created_at),
      updatedAt: wholeSeconds(row.updated_at),
    };
  }

  private async count(filter: string, params: unknown[]): Promise<number> {
    const [row] = await this.dataSource.query<Array<{ count: string }>>(
      `select count(*) as count from policy.policy p where ${filter}`,
      params,
    );
    return Number(row?.count ?? 0);
  }
}
