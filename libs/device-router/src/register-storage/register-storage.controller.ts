import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { RegisterStorage, type RegisterStorageInput } from './register-storage.command';

class RegisterStorageBody {
  @UuidField()
  deviceIdentifier!: string;
}

@Controller()
export class RegisterStorageController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 43,
    name: 'Register storage device',
    group: 'Storage',
    verb: 'POST',
    path: '/storage/register',
    access: 'K',
    scope: 'storage:write',
    command: true,
  })
  async register(@Body() body: RegisterStorageBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: RegisterStorageInput = { deviceIdentifier: body.deviceIdentifier };
    return new Accepted(await this.commands.submit({ type: RegisterStorage.type, caller, input, fields: body }));
  }
}
