import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint } from '@symbolon/http';
import { PolicyRefBody, policyRefOf } from '../policy/policy-ref';
import { ActivatePolicy } from './activate-policy.command';

@Controller()
export class ActivatePolicyController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 63,
    name: 'Activate policy',
    group: 'Policy',
    verb: 'POST',
    path: '/policy/activate',
    access: 'K',
    scope: 'policy:write',
    command: true,
  })
  async activate(@Body() body: PolicyRefBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input = policyRefOf(body);
    return new Accepted(await this.commands.submit({ type: ActivatePolicy.type, caller, input, fields: body }));
  }
}
