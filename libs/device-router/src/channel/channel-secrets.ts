import { Injectable } from '@nestjs/common';
import { KeyStore, mintSecret } from '@symbolon/crypto';
import { DeviceCredentials } from '@symbolon/device-link';
import { isUuid } from '@symbolon/http';
import { DataSource } from 'typeorm';

/** What events and commands hold of a channel secret. */
export interface NewSecret {
  readonly clientSecretHash: string;
  readonly secretKeyId: string;
  readonly clientSecretOnce: string;
}

/**
 * Channel secrets of devices. A secret leads to the id of the key of its one-off copy, and counts as long as the device
 * names that id: the event that names another one ends it, whatever becomes of the look-up row.
 */
@Injectable()
export class ChannelSecrets extends DeviceCredentials {
  constructor(
    private readonly keys: KeyStore,
    private readonly dataSource: DataSource,
  ) {
    super();
  }

  /** A new secret. It opens nothing before an event names its `secretKeyId`. */
  async mint(): Promise<NewSecret & { readonly secret: string }> {
    const secret = mintSecret();
    const { keyId: secretKeyId, sealed: clientSecretOnce } = await this.keys.sealOnce(secret);
    await this.keys.rememberSecret('device-secret', secret, secretKeyId);
    return { secret, secretKeyId, clientSecretOnce, clientSecretHash: this.keys.hashSecret('device-secret', secret) };
  }

  /** Removes what is left of a secret that does not count, or not any more. */
  async forget(secretKeyId: string): Promise<void> {
    await this.keys.forgetSecret('device-secret', secretKeyId);
    await this.keys.destroyOnce(secretKeyId);
  }

  async verify(clientId: string, clientSecret: string): Promise<string | null> {
    if (!isUuid(clientId)) return null;
    const secretKeyId = await this.keys.findSecret('device-secret', clientSecret);
    if (secretKeyId === null) return null;
    const [row] = await this.dataSource.query<Array<{ device_identifier: string }>>(
      `select device_identifier from device_router.device
        where client_id = $1 and secret_key_id = $2 and status = 'approved'`,
      [clientId, secretKeyId],
    );
    return row?.device_identifier ?? null;
  }
}
