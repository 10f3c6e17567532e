import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { RegisterAuthenticator, type RegisterAuthenticatorInput } from './register-authenticator.command';

class RegisterAuthenticatorBody {
  @UuidField()
  deviceIdentifier!: string;
}

@Controller()
export class RegisterAuthenticatorController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 47,
    name: 'Register authenticator',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/register',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async register(@Body() body: RegisterAuthenticatorBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: RegisterAuthenticatorInput = { deviceIdentifier: body.deviceIdentifier };
    return new Accepted(await this.commands.submit({ type: RegisterAuthenticator.type, caller, input, fields: body }));
  }
}
