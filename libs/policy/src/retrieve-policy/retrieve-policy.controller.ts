import { Controller, Param } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, notFound } from '@symbolon/http';
import { PolicyRows } from '../policy/policies.query';

@Controller()
export class RetrievePolicyController {
  constructor(private readonly policies: PolicyRows) {}

  @Endpoint({
    row: 67,
    name: 'Retrieve registered policy',
    group: 'Policy',
    verb: 'GET',
    path: '/policy/retrieve-policy/:nameOrId',
    access: 'K',
    scope: 'policy:read',
  })
  async retrieve(@Param('nameOrId') nameOrId: string, @CallerOf() caller: ProfileCaller): Promise<object> {
    const found = await this.policies.find(caller.profileId, nameOrId);
    if (!found) throw notFound();
    return found;
  }
}
