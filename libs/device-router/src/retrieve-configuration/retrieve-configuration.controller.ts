import { Body, Controller, Param, Query } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { BoolField, CallerOf, Endpoint, isUuid, notFound, Problem, UuidField } from '@symbolon/http';
import { Devices } from '../device/devices.query';
import { DeviceConfiguration } from './device-configuration';

const path = '/device/retrieve-device-configuration';
const alias = '/device/download-device-configuration';

class RotateQuery {
  @BoolField(false)
  rotate!: boolean;
}

class DownloadBody extends RotateQuery {
  @UuidField()
  deviceIdentifier!: string;
}

@Controller()
export class RetrieveConfigurationController {
  constructor(
    private readonly devices: Devices,
    private readonly configuration: DeviceConfiguration,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 41,
    name: 'Retrieve device configuration',
    group: 'Device',
    verb: 'GET',
    path: `${path}/:deviceIdentifier`,
    access: 'K',
    scope: 'device:read',
    device: true,
  })
  retrieve(
    @Param('deviceIdentifier') deviceIdentifier: string,
    @Query() { rotate }: RotateQuery,
    @CallerOf() caller: ProfileCaller,
  ): Promise<object> {
    return this.answer(deviceIdentifier, rotate, caller, ['GET', `${path}/${deviceIdentifier}`]);
  }

  @Endpoint({
    row: 41,
    name: 'Download device configuration',
    group: 'Device',
    verb: 'POST',
    path: alias,
    access: 'K',
    scope: 'device:read',
    device: true,
  })
  download(@Body() { deviceIdentifier, rotate }: DownloadBody, @CallerOf() caller: ProfileCaller): Promise<object> {
    return this.answer(deviceIdentifier, rotate, caller, ['POST', alias]);
  }

  private async answer(
    id: string,
    rotate: boolean,
    caller: ProfileCaller,
    [method, called]: readonly [string, string],
  ): Promise<object> {
    const found = isUuid(id) ? await this.devices.find(id) : null;
    if (!found) throw notFound();
    if (caller.profileId !== found.owner && caller.profileId !== found.deviceIdentifier) {
      await this.audit.denied(caller, method, called, 'not_found');
      throw notFound();
    }
    if (found.status !== 'approved') throw new Problem(409, 'device.not_approved');
    return rotate ? this.configuration.rotate(found, caller) : this.configuration.retrieve(found, caller);
  }
}
