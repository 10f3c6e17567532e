import { Body, Controller } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, notFound, UuidField } from '@symbolon/http';
import { causeOf } from '../device/cause-of';
import { Devices } from '../device/devices.query';
import { DeviceLogins } from './device-login';

const path = '/device/retrieve-unique-identifier';

class RetrieveIdentifierBody {
  @UuidField({ description: 'commandId of 35 or 81' })
  id!: string;
}

@Controller()
export class RetrieveIdentifierController {
  constructor(
    private readonly devices: Devices,
    private readonly logins: DeviceLogins,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 36,
    name: 'Retrieve unique identifier',
    group: 'Device',
    verb: 'POST',
    path,
    access: 'K',
    scope: 'device:write',
  })
  async retrieve(@Body() { id }: RetrieveIdentifierBody, @CallerOf() caller: ProfileCaller) {
    const found = await this.devices.ofCommand(id);
    if (!found) throw notFound();
    if (found.owner !== caller.profileId) {
      await this.audit.denied(caller, 'POST', path, 'not_found');
      throw notFound();
    }
    const { deviceIdentifier } = found;
    const password = await this.logins.showFirst(found, causeOf(caller));
    return password === null ? { deviceIdentifier } : { deviceIdentifier, username: deviceIdentifier, password };
  }
}
