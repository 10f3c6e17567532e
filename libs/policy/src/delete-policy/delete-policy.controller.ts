import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint } from '@symbolon/http';
import { PolicyRefBody, policyRefOf } from '../policy/policy-ref';
import { DeletePolicy } from './delete-policy.command';

@Controller()
export class DeletePolicyController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 65,
    name: 'Delete policy',
    group: 'Policy',
    verb: 'POST',
    path: '/policy/delete',
    access: 'K',
    scope: 'policy:write',
    command: true,
  })
  async delete(@Body() body: PolicyRefBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input = policyRefOf(body);
    return new Accepted(await this.commands.submit({ type: DeletePolicy.type, caller, input, fields: body }));
  }
}
