import { Injectable, type OnModuleInit } from '@nestjs/common';
import { closeCodes, DeviceLink } from '@symbolon/device-link';
import { ProjectionRunner } from '@symbolon/projection';

/** Ends the connection of a device that was removed, by whomever: its credentials are void, so that it cannot come back. */
@Injectable()
export class Departures implements OnModuleInit {
  constructor(
    private readonly projections: ProjectionRunner,
    private readonly link: DeviceLink,
  ) {}

  onModuleInit(): void {
    this.projections.onCommitted((name, events) => {
      if (name !== 'device-router.routing') return;
      for (const { type, data } of events)
        if (type === 'device.removed')
          this.link.disconnect((data as { deviceIdentifier: string }).deviceIdentifier, closeCodes.revoked);
    });
  }
}
