import { Controller, Query } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, ListQuery, TextField } from '@symbolon/http';
import { Devices, type DeviceStatus, deviceStatuses } from '../device/devices.query';

class ListDevicesQuery extends ListQuery {
  @TextField(1, 20, {
    optional: true,
    matches: new RegExp(`^(${deviceStatuses.join('|')})$`),
    says: `must be one of ${deviceStatuses.join(', ')}`,
  })
  status?: DeviceStatus;
}

@Controller()
export class ListDevicesController {
  constructor(private readonly devices: Devices) {}

  @Endpoint({
    row: 37,
    name: 'Retrieve profile devices',
    group: 'Device',
    verb: 'GET',
    path: '/device/retrieve-profile-devices',
    access: 'K',
    scope: 'device:read',
  })
  list(@Query() query: ListDevicesQuery, @CallerOf() caller: ProfileCaller) {
    return this.devices.list(caller.profileId, query.status, query);
  }
}
