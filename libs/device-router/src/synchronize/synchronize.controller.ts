import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { Registry } from '@symbolon/platform';
import { Synchronize, type SynchronizeInput } from './synchronize.command';

class SynchronizeBody {
  @UuidField()
  deviceIdentifier!: string;

  @UuidField({ optional: true })
  sourceDeviceIdentifier?: string;
}

@Controller()
export class SynchronizeController {
  constructor(
    private readonly commands: Commands,
    private readonly registry: Registry,
  ) {}

  @Endpoint({
    row: 45,
    name: 'Synchronize device',
    group: 'Storage',
    verb: 'POST',
    path: '/storage/synchronize',
    access: 'K',
    scope: 'storage:write',
    command: true,
  })
  async synchronize(@Body() body: SynchronizeBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { deviceIdentifier, sourceDeviceIdentifier = null } = body;
    await this.registry.requireCarrier({ profileId: caller.profileId, deviceIdentifiers: [deviceIdentifier] });
    const input: SynchronizeInput = { deviceIdentifier, sourceDeviceIdentifier };
    return new Accepted(await this.commands.submit({ type: Synchronize.type, caller, input, fields: body }));
  }
}
