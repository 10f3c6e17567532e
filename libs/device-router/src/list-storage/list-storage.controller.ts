import { Controller, Query } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, ListQuery } from '@symbolon/http';
import { Devices } from '../device/devices.query';

@Controller()
export class ListStorageController {
  constructor(private readonly devices: Devices) {}

  @Endpoint({
    row: 44,
    name: 'List storage devices',
    group: 'Storage',
    verb: 'GET',
    path: '/storage/list-storage-devices',
    access: 'K',
    scope: 'storage:read',
  })
  list(@Query() query: ListQuery, @CallerOf() caller: ProfileCaller) {
    return this.devices.listStorage(caller.profileId, query);
  }
}
