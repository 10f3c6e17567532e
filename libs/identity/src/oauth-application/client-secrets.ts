import { Injectable } from '@nestjs/common';
import type { Caller } from '@symbolon/command-log';
import { KeyStore, mintSecret, uuid7 } from '@symbolon/crypto';
import { Streams } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { showConfiguration } from '../retrieve-oauth-configuration/show-configuration.decide';
import { application, type NewClientSecret } from './application.model';

/** Secrets of applications. One leads to the id of the key of its one-off copy, and counts while the application names it. */
@Injectable()
export class ClientSecrets {
  constructor(
    private readonly keys: KeyStore,
    private readonly streams: Streams,
    private readonly projections: ProjectionRunner,
  ) {}

  /** A new secret. It opens nothing before an event names its `secretKeyId`. */
  async mint(): Promise<NewClientSecret> {
    const secret = mintSecret();
    const { keyId: secretKeyId, sealed: clientSecretOnce } = await this.keys.sealOnce(secret);
    await this.keys.rememberSecret('client-secret', secret, secretKeyId);
    return { secretKeyId, clientSecretOnce, clientSecretHash: this.keys.hashSecret('client-secret', secret) };
  }

  /** Removes what is left of a secret that never counted. */
  async forget(secretKeyId: string): Promise<void> {
    await this.keys.forgetSecret('client-secret', secretKeyId);
    await this.keys.destroyOnce(secretKeyId);
  }

  /**
   * The secret, or null where somebody has seen it. Opened, then recorded, then destroyed, then shown: only the call that
   * recorded it shows it, and a crash between two steps shows it to nobody twice.
   */
  async showFirst(
    { applicationId, secretKeyId, clientSecretOnce }: NewSecretOf,
    { actor, client }: Caller,
  ): Promise<string | null> {
    const secret = clientSecretOnce === null ? null : await this.keys.openOnce(secretKeyId, clientSecretOnce);
    if (secret === null) return null;
    const id = uuid7();
    const cause = { commandId: null, correlationId: id, causationId: id, actor, client };
    const outcome = await this.streams.transact(
      application,
      applicationId,
      showConfiguration,
      { applicationId },
      cause,
    );
    await this.keys.destroyOnce(secretKeyId);
    if (outcome.status === 'refused') return null;
    await this.projections.passed(outcome.cursor);
    return secret;
  }
}

interface NewSecretOf {
  readonly applicationId: string;
  readonly secretKeyId: string;
  /** Null once the owner is erased. */
  readonly clientSecretOnce: string | null;
}
