import { Injectable } from '@nestjs/common';
import { KeyStore } from '@symbolon/crypto';
import { type Cause, Streams } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { device } from '../device/device.model';
import type { DeviceLogin } from '../device/devices.query';
import { showLogin } from './show-login.decide';

/** The password that was made for a device, which is shown once. */
@Injectable()
export class DeviceLogins {
  constructor(
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly projections: ProjectionRunner,
  ) {}

  /**
   * The password, or null where somebody has seen it. Opened first, then recorded, then destroyed, then shown: only the
   * call that recorded it shows it, and a crash between two steps shows it to nobody twice.
   */
  async showFirst({ deviceIdentifier, loginKeyId, loginOnce }: DeviceLogin, cause: Cause): Promise<string | null> {
    const password = loginOnce === null ? null : await this.keys.openOnce(loginKeyId, loginOnce);
    if (password === null) return null;
    const outcome = await this.streams.transact(device, deviceIdentifier, showLogin, { deviceIdentifier }, cause);
    const first = outcome.status === 'succeeded' && outcome.cursor !== null;
    await this.keys.destroyOnce(loginKeyId);
    if (!first) return null;
    await this.projections.passed(outcome.cursor);
    return password;
  }
}
