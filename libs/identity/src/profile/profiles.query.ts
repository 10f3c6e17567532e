import { Injectable } from '@nestjs/common';
import { PersonalBoxes } from '@symbolon/crypto';
import { type Actor, instant } from '@symbolon/kernel';
import { DataSource } from 'typeorm';

interface Row {
  profile_id: string;
  kind: 'user' | 'device';
  username: string | null;
  verifier: string | null;
  passwords: number;
  barred: boolean;
  public_key: string | null;
  signing_key: string | null;
  fingerprint: string | null;
  key_registered_at: Date | null;
}

export interface ProfileLogin {
  readonly profileId: string;
  readonly kind: 'user' | 'device';
  /** PHC string with pepper id; null when the profile may not log in. */
  readonly verifier: string | null;
  /** Which of the profile's passwords the verifier is of. */
  readonly passwords: number;
}

export interface RegisteredKey {
  readonly publicKey: string;
  readonly signingKey: string | null;
  readonly fingerprint: string;
  readonly registeredAt: string;
}

@Injectable()
export class Profiles {
  constructor(
    private readonly dataSource: DataSource,
    private readonly boxes: PersonalBoxes,
  ) {}

  async loginByName(usernameHash: string): Promise<ProfileLogin | null> {
    const [row] = await this.dataSource.query<Row[]>('select * from identity.profile where username_hash = $1', [
      usernameHash,
    ]);
    return row ? this.login(row) : null;
  }

  async loginOf(profileId: string): Promise<(ProfileLogin & { readonly username: string | null }) | null> {
    const [row] = await this.dataSource.query<Row[]>('select * from identity.profile where profile_id = $1', [
      profileId,
    ]);
    if (!row) return null;
    const username = await this.boxes.openRow(profileId, 'identity.profile.username', profileId, row.username);
    return { ...(await this.login(row)), username: username as string | null };
  }

  async keyOf(profileId: string): Promise<RegisteredKey | null> {
    const [row] = await this.dataSource.query<Row[]>('select * from identity.profile where profile_id = $1', [
      profileId,
    ]);
    if (!row?.public_key || !row.fingerprint || !row.key_registered_at) return null;
    const { public_key: publicKey, signing_key: signingKey, fingerprint, key_registered_at: at } = row;
    return { publicKey, signingKey, fingerprint, registeredAt: instant(at.getTime()) };
  }

  /** Whose key is meant: the caller's own, or that of a device of his; null where he names something else. */
  async keyHolder(actor: Actor, profileId: string, deviceIdentifier: string | null): Promise<string | null> {
    if (deviceIdentifier === null) return profileId;
    if (actor.kind === 'device' && deviceIdentifier === profileId) return profileId;
    return (await this.ownsDevice(profileId, deviceIdentifier)) ? deviceIdentifier : null;
  }

  /** Is this a pending or approved device of the profile? */
  async ownsDevice(profileId: string, deviceIdentifier: string): Promise<boolean> {
    const rows = await this.dataSource.query<unknown[]>(
      'select 1 from identity.device where device_identifier = $1 and owner_profile_id = $2 and live',
      [deviceIdentifier, profileId],
    );
    return rows.length > 0;
  }

  private async login({ profile_id: profileId, kind, verifier, passwords, barred }: Row): Promise<ProfileLogin> {
    const opened = barred
      ? null
      : await this.boxes.openRow(profileId, 'identity.profile.verifier', profileId, verifier);
    return { profileId, kind, verifier: opened as string | null, passwords };
  }
}
