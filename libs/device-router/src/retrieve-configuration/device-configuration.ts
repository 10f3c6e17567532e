import { Injectable } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { closeCodes, DeviceLink, topology } from '@symbolon/device-link';
import { Problem } from '@symbolon/http';
import { type Cause, type Outcome, Streams } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { Settings } from '@symbolon/settings';
import { BrokerAccounts } from '../channel/broker-accounts';
import { ChannelSecrets } from '../channel/channel-secrets';
import { causeOf } from '../device/cause-of';
import { device } from '../device/device.model';
import type { KnownDevice } from '../device/devices.query';
import { recordRetrieval, renewSecret, rotateSecret, showSecret } from './retrieve-configuration.decide';

/** What a device needs to reach the server (contract, section 16.1). Throws 409 where it is not approved. */
@Injectable()
export class DeviceConfiguration {
  constructor(
    private readonly secrets: ChannelSecrets,
    private readonly accounts: BrokerAccounts,
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly link: DeviceLink,
    private readonly projections: ProjectionRunner,
    private readonly settings: Settings,
  ) {}

  /** With the secret where nobody has seen it. Opened, recorded, destroyed, shown, in this order. */
  async retrieve(known: KnownDevice, caller: ProfileCaller): Promise<object> {
    const { deviceIdentifier, secretKeyId, clientSecretOnce } = known;
    const secret = secretKeyId && clientSecretOnce ? await this.keys.openOnce(secretKeyId, clientSecretOnce) : null;
    if (secretKeyId && secret !== null) {
      const command = { deviceIdentifier, secretKeyId };
      const shown = done(await this.streams.transact(device, deviceIdentifier, showSecret, command, causeOf(caller)));
      await this.keys.destroyOnce(secretKeyId);
      if (shown !== null) {
        await this.projections.passed(shown);
        return this.describe(known, { secret, secretKeyId });
      }
    }
    done(await this.streams.transact(device, deviceIdentifier, recordRetrieval, { deviceIdentifier }, causeOf(caller)));
    return this.describe(known, null);
  }

  /** With a new secret; the old one ends, and with it an open connection. */
  async rotate(known: KnownDevice, caller: ProfileCaller): Promise<object> {
    const { deviceIdentifier, secretKeyId: before } = known;
    const { secret, ...minted } = await this.secrets.mint();
    const command = { deviceIdentifier, ...minted };
    const outcome = await this.streams.transact(device, deviceIdentifier, rotateSecret, command, causeOf(caller));
    if (outcome.status === 'refused') await this.secrets.forget(minted.secretKeyId);
    await this.projections.passed(done(outcome));
    this.link.disconnect(deviceIdentifier, closeCodes.revoked);
    await this.accounts.follow(deviceIdentifier);
    await this.keys.destroyOnce(minted.secretKeyId);
    if (before) await this.secrets.forget(before);
    return this.describe(known, { secret, secretKeyId: minted.secretKeyId });
  }

  /** The same for somebody who is not there to see it: the next retrieval shows it. Answers why not, or null. */
  async renew({ deviceIdentifier, secretKeyId: before }: KnownDevice, cause: Cause): Promise<string | null> {
    const { secret: _, ...minted } = await this.secrets.mint();
    const command = { deviceIdentifier, ...minted };
    const outcome = await this.streams.transact(device, deviceIdentifier, renewSecret, command, cause);
    const counts = outcome.status === 'succeeded' && outcome.state.secretKeyId === minted.secretKeyId;
    if (!counts) await this.secrets.forget(minted.secretKeyId);
    if (outcome.status === 'refused') return outcome.refusal.key;
    await this.projections.passed(outcome.cursor);
    this.link.disconnect(deviceIdentifier, closeCodes.revoked);
    await this.accounts.follow(deviceIdentifier);
    if (counts && before) await this.secrets.forget(before);
    return null;
  }

  private describe(
    { deviceIdentifier, clientId }: KnownDevice,
    shown: { readonly secret: string; readonly secretKeyId: string } | null,
  ): object {
    return {
      'device-identifier': deviceIdentifier,
      'client-id': clientId,
      ...(shown === null ? {} : { 'client-secret': shown.secret }),
      'channel-url': this.settings.deviceChannelUrl,
      'cab-public-key': this.keys.sealKeys().publicKey,
      'jwks-url': `${this.settings.publicUrl}/.well-known/jwks.json`,
      ...this.brokerPart(deviceIdentifier, shown?.secretKeyId ?? null),
    };
  }

  private brokerPart(deviceIdentifier: string, secretKeyId: string | null): object {
    const { rabbitmq } = this.settings;
    if (!rabbitmq) return {};
    return {
      'rabbit-user': topology.userOf(deviceIdentifier),
      ...(secretKeyId === null ? {} : { 'rabbit-pass': this.keys.brokerPassword(deviceIdentifier, secretKeyId) }),
      'rabbit-host': rabbitmq.host,
      'rabbit-port': rabbitmq.port,
      'rabbit-vhost': rabbitmq.vhost,
      'rabbit-queue': topology.queueOf(deviceIdentifier),
    };
  }
}

/** The cursor of what was appended; null where nothing was. */
function done(outcome: Outcome): string | null {
  if (outcome.status === 'refused') throw new Problem(409, 'device.not_approved');
  return outcome.cursor;
}
