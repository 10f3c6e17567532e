import { Body, Controller, Param, Query } from '@nestjs/common';
import { Audit, Commands, CommandStatuses, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, BoolField, CallerOf, Endpoint, isUuid, notFound, Problem, UuidField } from '@symbolon/http';
import { Devices } from '../device/devices.query';
import { DeviceConfiguration } from './device-configuration';
import { RotateConfiguration, type RotateConfigurationInput } from './rotate-configuration.command';

const path = '/device/retrieve-device-configuration';
const operation = 'device.configuration_rotated';
const alias = '/device/download-device-configuration';

/** Seconds in which policies are judged, and a rotation that none of them holds is done. */
const soon = 5;

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
    private readonly commands: Commands,
    private readonly statuses: CommandStatuses,
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
    if (!rotate) return this.configuration.retrieve(found, caller);
    const held = await this.commands.held(caller.profileId, operation, caller.actor);
    return held ? this.rotateHeld(found.deviceIdentifier, caller) : this.configuration.rotate(found, caller);
  }

  /** An active policy names rotations; whether it matches this one is judged now. */
  private async rotateHeld(deviceIdentifier: string, caller: ProfileCaller): Promise<object> {
    const input: RotateConfigurationInput = { deviceIdentifier };
    const submitted = await this.commands.submit({ type: RotateConfiguration.type, caller, input, operation });
    const verdict = await this.commands.clearance(submitted.commandId, soon);
    if (verdict !== 'cleared') return new Accepted(submitted);
    const end = await this.statuses.untilFinal(submitted.commandId, soon * 1000);
    if (end?.status !== 'succeeded') return new Accepted(submitted);
    const renewed = await this.devices.find(deviceIdentifier);
    return renewed ? this.configuration.retrieve(renewed, caller) : new Accepted(submitted);
  }
}
