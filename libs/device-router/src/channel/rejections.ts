import { Injectable } from '@nestjs/common';
import type { AlertRaised, DeviceEvent } from '@symbolon/contracts';
import { uuid5 } from '@symbolon/crypto';
import { type Cause, Streams } from '@symbolon/kernel';

export interface RejectedMessage {
  readonly deviceIdentifier: string;
  readonly envelopeId: string;
  readonly messageType: string;
  /** Whose device it is. */
  readonly owner: string;
  readonly reason: 'device.signature_invalid' | 'device.envelope_invalid';
  /** What a vote was about. */
  readonly poolId?: string | null;
  readonly commandId?: string | null;
}

/** Records messages that devices must not send, each once; a fault of a signature also alerts the owner. */
@Injectable()
export class Rejections {
  constructor(private readonly streams: Streams) {}

  async record({ owner, poolId = null, commandId = null, ...data }: RejectedMessage): Promise<void> {
    const { deviceIdentifier, envelopeId, reason } = data;
    const name = `${deviceIdentifier}/${envelopeId}`;
    const cause: Cause = {
      commandId: null,
      correlationId: envelopeId,
      causationId: uuid5(`${name}/rejected`),
      actor: { profileId: deviceIdentifier, kind: 'device', deviceIdentifier },
    };
    const rejected: DeviceEvent = { type: 'device.message_rejected', version: 1, data };
    await this.streams.append(`device-${deviceIdentifier}`, 'any', [rejected], cause);
    if (reason !== 'device.signature_invalid') return;
    const alert: AlertRaised = {
      type: 'security.alert_raised',
      version: 1,
      data: {
        alertId: uuid5(`${name}/alert`),
        profileId: owner,
        kind: 'signature_invalid',
        poolId,
        commandId,
        deviceIdentifier,
      },
    };
    await this.streams.append(`alert-${owner}`, 'any', [alert], cause);
  }
}
