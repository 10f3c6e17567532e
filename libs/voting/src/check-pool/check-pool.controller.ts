import { Controller, Param } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, isUuid, notFound } from '@symbolon/http';
import { EventStore } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { Pools } from './pools.query';

const path = '/voting/check-pool-status';

@Controller()
export class CheckPoolController {
  constructor(
    private readonly pools: Pools,
    private readonly audit: Audit,
    private readonly store: EventStore,
    private readonly projections: ProjectionRunner,
  ) {}

  @Endpoint({
    row: 87,
    name: 'Check pool status',
    group: 'Voting',
    verb: 'GET',
    path: `${path}/:poolId`,
    access: 'K',
    scope: 'voting:read',
  })
  async check(@Param('poolId') poolId: string, @CallerOf() caller: ProfileCaller): Promise<object> {
    if (!isUuid(poolId)) throw notFound();
    const pool = (await this.pools.find(caller.profileId, poolId)) ?? (await this.justOpened(caller.profileId, poolId));
    if (pool) return pool;
    if ((await this.pools.ownerOf(poolId)) !== null)
      await this.audit.denied(caller, 'GET', `${path}/${poolId}`, 'not_found');
    throw notFound();
  }
  /** Ballots and the command's status tell of a poll as soon as it is in the log: perhaps before the read model does. */
  private async justOpened(profileId: string, poolId: string): Promise<object | null> {
    await this.projections.passed(await this.store.tail());
    return this.pools.find(profileId, poolId);
  }
}
