import { Injectable } from '@nestjs/common';
import { Claims } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { type Cause, Streams } from '@symbolon/kernel';
import { DataSource } from 'typeorm';
import { barProfile } from '../bar-profile/bar-profile.decide';
import { KeyClaims } from '../profile/key-claims';
import { keyOf, type Profile, profile } from '../profile/profile.model';

/**
 * What goes with a profile once the log says that it is deleted (crypto design, section 11). Every step may be repeated:
 * after a crash all of them are.
 */
@Injectable()
export class EraseProfile {
  constructor(
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly claims: Claims,
    private readonly keyClaims: KeyClaims,
    private readonly dataSource: DataSource,
  ) {}

  async erase(profileId: string, state: Profile, cause: Cause): Promise<void> {
    for (const device of await this.devicesOf(profileId)) await this.eraseDevice(device, cause);
    await this.forgetTokens(profileId);
    await this.keys.destroySubject(profileId);
    const key = keyOf(state);
    if (key) await this.keyClaims.release(key, profileId, cause);
    // Last: whoever takes the name finds nothing of its former holder.
    await this.claims.releaseHashed('username', state.usernameHash, profileId, cause);
  }

  /** A device acts and signs in no more, and what it told of itself, from which address, is gone as well. */
  async eraseDevice(deviceIdentifier: string, cause: Cause): Promise<void> {
    const bar = { profileId: deviceIdentifier, cause: 'account_deleted' };
    const outcome = await this.streams.transact(profile, deviceIdentifier, barProfile, bar, cause);
    if (outcome.status === 'refused' || outcome.state.phase !== 'barred') return;
    const key = keyOf(outcome.state);
    if (key) await this.keyClaims.release(key, deviceIdentifier, cause);
    await this.forgetTokens(deviceIdentifier);
    await this.keys.destroySubject(deviceIdentifier);
  }

  private async devicesOf(profileId: string): Promise<string[]> {
    const rows = await this.dataSource.query<Array<{ device_identifier: string }>>(
      'select device_identifier from identity.device where owner_profile_id = $1',
      [profileId],
    );
    return rows.map((row) => row.device_identifier);
  }

  private async forgetTokens(profileId: string): Promise<void> {
    const rows = await this.dataSource.query<Array<{ token_id: string }>>(
      'select token_id from identity.session where profile_id = $1',
      [profileId],
    );
    const tokenIds = rows.map((row) => row.token_id);
    if (tokenIds.length > 0) await this.keys.forgetSecrets('authorization', tokenIds);
  }
}
