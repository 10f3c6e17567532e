import { Controller, HttpCode, Query } from '@nestjs/common';
import { Endpoint, isUuid, ListField, UuidField } from '@symbolon/http';
import { type DeviceErrand, Registry } from '@symbolon/platform';

/** Devices that one question names at most: they stand in its address. */
export const mostDevices = 200;

export class PresenceQuestion {
  @ListField(1, mostDevices, isUuid)
  devices!: string[];
}

export class CarrierQuestion {
  @UuidField()
  profileId!: string;

  @UuidField({ optional: true })
  tokenId?: string;

  @ListField(1, mostDevices, isUuid, { optional: true })
  devices?: string[];
}

/** What other contexts ask the one that talks to devices, where each is a process of its own. */
@Controller()
export class QuestionsController {
  constructor(private readonly registry: Registry) {}

  @Endpoint({ name: 'Presence', group: 'Service', verb: 'GET', path: '/service/presence', access: 'none' })
  async presence(@Query() { devices }: PresenceQuestion): Promise<object> {
    return Object.fromEntries(await this.registry.seen(devices));
  }

  @Endpoint({ name: 'Carriers', group: 'Service', verb: 'GET', path: '/service/carriers', access: 'none' })
  @HttpCode(204)
  carriers(@Query() { profileId, tokenId, devices }: CarrierQuestion): Promise<void> {
    const errand: DeviceErrand = {
      profileId,
      ...(tokenId ? { tokenId } : {}),
      ...(devices ? { deviceIdentifiers: devices } : {}),
    };
    return this.registry.requireCarrier(errand);
  }
}
