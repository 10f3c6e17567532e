import { Injectable } from '@nestjs/common';
import type { VotingConfigurationFields } from '@symbolon/contracts';
import { isUuid, type List, listOf, type ListQuery, offsetOf } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import { DataSource } from 'typeorm';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly fields: VotingConfigurationFields;
  readonly created_at: Date;
  readonly updated_at: Date;
}

@Injectable()
export class Configurations {
  constructor(private readonly dataSource: DataSource) {}

  /** Row 57. */
  async list(profileId: string, page: ListQuery): Promise<List<object>> {
    const [total] = await this.dataSource.query<Array<{ count: string }>>(
      'select count(*) as count from voting.configuration where profile_id = $1',
      [profileId],
    );
    const rows = await this.dataSource.query<Row[]>(
      `select * from voting.configuration where profile_id = $1
        order by created_at desc, id desc limit $2 offset $3`,
      [profileId, page.perPage, offsetOf(page)],
    );
    return listOf(rows.map(itemOf), Number(total?.count ?? 0), page);
  }

  /** Row 58: by id or, failing that, by name. */
  async find(profileId: string, nameOrId: string): Promise<object | null> {
    // No name has one, and the database refuses it.
    if (nameOrId.includes('\0')) return null;
    const [row] = await this.dataSource.query<Row[]>(
      `select * from voting.configuration where profile_id = $1 and (id = $2::uuid or name = $3)
        order by id is not distinct from $2::uuid desc limit 1`,
      [profileId, isUuid(nameOrId) ? nameOrId : null, nameOrId],
    );
    return row ? itemOf(row) : null;
  }

  async exists(id: string): Promise<boolean> {
    const rows = await this.dataSource.query<unknown[]>('select 1 from voting.configuration where id = $1', [id]);
    return rows.length > 0;
  }
}

function itemOf({ id, name, fields, created_at, updated_at }: Row): object {
  return {
    id,
    name,
    timeLimit: fields.timeLimit,
    strategy: fields.strategy,
    strategy_params: fields.strategyParams,
    percentageRequired: fields.percentageRequired,
    countRequired: fields.countRequired,
    deviceIdentifiers: fields.deviceIdentifiers,
    quorumSize: fields.quorumSize,
    numberOfAttempts: fields.numberOfAttempts,
    category: fields.category,
    createdAt: wholeSeconds(created_at),
    updatedAt: wholeSeconds(updated_at),
  };
}
