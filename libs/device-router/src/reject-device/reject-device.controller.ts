import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { RejectDevice, type RejectDeviceInput } from './reject-device.command';

class RejectDeviceBody {
  @UuidField()
  deviceIdentifier!: string;
}

@Controller()
export class RejectDeviceController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 40,
    name: 'Reject device',
    group: 'Device',
    verb: 'POST',
    path: '/device/reject-device',
    access: 'K',
    scope: 'device:write',
    command: true,
  })
  async reject(@Body() body: RejectDeviceBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: RejectDeviceInput = { deviceIdentifier: body.deviceIdentifier };
    return new Accepted(await this.commands.submit({ type: RejectDevice.type, caller, input, fields: body }));
  }
}
