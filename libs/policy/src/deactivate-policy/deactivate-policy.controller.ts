import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint } from '@symbolon/http';
import { PolicyRefBody, policyRefOf } from '../policy/policy-ref';
import { DeactivatePolicy } from './deactivate-policy.command';

@Controller()
export class DeactivatePolicyController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 64,
    name: 'Deactivate policy',
    group: 'Policy',
    verb: 'POST',
    path: '/policy/deactivate',
    access: 'K',
    scope: 'policy:write',
    command: true,
  })
  async deactivate(@Body() body: PolicyRefBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input = policyRefOf(body);
    return new Accepted(await this.commands.submit({ type: DeactivatePolicy.type, caller, input, fields: body }));
  }
}
