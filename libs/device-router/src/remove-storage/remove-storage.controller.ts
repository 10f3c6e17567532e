import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { RemoveStorage, type RemoveStorageInput } from './remove-storage.command';

class RemoveStorageBody {
  @UuidField()
  deviceIdentifier!: string;
}

@Controller()
export class RemoveStorageController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 46,
    name: 'Remove storage',
    group: 'Storage',
    verb: 'POST',
    path: '/storage/remove',
    access: 'K',
    scope: 'storage:write',
    command: true,
  })
  async remove(@Body() body: RemoveStorageBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: RemoveStorageInput = { deviceIdentifier: body.deviceIdentifier };
    return new Accepted(await this.commands.submit({ type: RemoveStorage.type, caller, input, fields: body }));
  }
}
