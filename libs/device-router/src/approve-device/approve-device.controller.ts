import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { ChannelSecrets } from '../channel/channel-secrets';
import { ApproveDevice, type ApproveDeviceInput } from './approve-device.command';

class ApproveDeviceBody {
  @UuidField()
  deviceIdentifier!: string;
}

@Controller()
export class ApproveDeviceController {
  constructor(
    private readonly commands: Commands,
    private readonly secrets: ChannelSecrets,
  ) {}

  @Endpoint({
    row: 39,
    name: 'Approve device',
    group: 'Device',
    verb: 'POST',
    path: '/device/approve-device',
    access: 'K',
    scope: 'device:write',
    command: true,
  })
  async approve(@Body() body: ApproveDeviceBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const submission = { type: ApproveDevice.type, caller, fields: body };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);
    const { secret: _, ...minted } = await this.secrets.mint();
    const input: ApproveDeviceInput = { deviceIdentifier: body.deviceIdentifier, ...minted };
    return new Accepted(await this.commands.submit({ ...submission, input }));
  }
}
