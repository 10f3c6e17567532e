import { Controller, Param } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, isUuid, notFound } from '@symbolon/http';
import { PolicyRows } from '../policy/policies.query';

const path = '/policy/retrieve-policy';

@Controller()
export class RetrievePolicyController {
  constructor(
    private readonly policies: PolicyRows,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 67,
    name: 'Retrieve registered policy',
    group: 'Policy',
    verb: 'GET',
    path: `${path}/:nameOrId`,
    access: 'K',
    scope: 'policy:read',
  })
  async retrieve(@Param('nameOrId') nameOrId: string, @CallerOf() caller: ProfileCaller): Promise<object> {
    const found = await this.policies.find(caller.profileId, nameOrId);
    if (found) return found;
    if (isUuid(nameOrId) && (await this.policies.exists(nameOrId))) {
      await this.audit.denied(caller, 'GET', `${path}/${nameOrId}`, 'not_found');
    }
    throw notFound();
  }
}
