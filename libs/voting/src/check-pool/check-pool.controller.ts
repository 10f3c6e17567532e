import { Controller, Param } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, isUuid, notFound } from '@symbolon/http';
import { Pools } from './pools.query';

const path = '/voting/check-pool-status';

@Controller()
export class CheckPoolController {
  constructor(
    private readonly pools: Pools,
    private readonly audit: Audit,
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
    const pool = await this.pools.find(caller.profileId, poolId);
    if (pool) return pool;
    if ((await this.pools.ownerOf(poolId)) !== null)
      await this.audit.denied(caller, 'GET', `${path}/${poolId}`, 'not_found');
    throw notFound();
  }
}
