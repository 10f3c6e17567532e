import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { RemoveAuthenticator, type RemoveAuthenticatorInput } from './remove-authenticator.command';

class RemoveAuthenticatorBody {
  @UuidField()
  deviceIdentifier!: string;
}

@Controller()
export class RemoveAuthenticatorController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 54,
    name: 'Remove authenticator',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/remove',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async remove(@Body() body: RemoveAuthenticatorBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: RemoveAuthenticatorInput = { deviceIdentifier: body.deviceIdentifier };
    return new Accepted(await this.commands.submit({ type: RemoveAuthenticator.type, caller, input, fields: body }));
  }
}
