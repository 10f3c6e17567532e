import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, invalid, ObjectField, TextField, UuidField } from '@symbolon/http';
import { ConfigureDeviceMeta, type ConfigureDeviceMetaInput } from './configure-device-meta.command';

class ConfigureDeviceMetaBody {
  @UuidField()
  deviceIdentifier!: string;

  @TextField(1, 100, { optional: true })
  name?: string;

  @ObjectField({ optional: true })
  meta?: object;
}

@Controller()
export class ConfigureDeviceMetaController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 38,
    name: 'Configure device meta',
    group: 'Device',
    verb: 'POST',
    path: '/device/configure-meta',
    access: 'K',
    scope: 'device:write',
    command: true,
  })
  async configure(@Body() body: ConfigureDeviceMetaBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { deviceIdentifier, name = null, meta = null } = body;
    if (name === null && meta === null) throw invalid({ name: ['is required without meta'] });
    const input: ConfigureDeviceMetaInput = { deviceIdentifier, name, meta };
    return new Accepted(await this.commands.submit({ type: ConfigureDeviceMeta.type, caller, input, fields: body }));
  }
}
