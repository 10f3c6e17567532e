import { Injectable } from '@nestjs/common';
import { PersonalBoxes } from '@symbolon/crypto';
import { EventStore, type Instant, instant, millisOf } from '@symbolon/kernel';
import { ProjectionRunner } from '@symbolon/projection';
import { DataSource } from 'typeorm';
import { addressColumn } from './sign-ins.projection';

/** So long an address is known after a sign-in. */
const known = 90 * 24 * 3600 * 1000;

@Injectable()
export class SignIns {
  constructor(
    private readonly dataSource: DataSource,
    private readonly boxes: PersonalBoxes,
    private readonly projections: ProjectionRunner,
    private readonly store: EventStore,
  ) {}

  /** Whether the profile signed in from this address in the 90 days before `at`. */
  async knows(profileId: string, address: string, at: Instant): Promise<boolean> {
    await this.projections.passed(await this.store.tail());
    const hash = await this.boxes.blindIndex(profileId, addressColumn, address);
    if (hash === '') return false;
    const rows = await this.dataSource.query<unknown[]>(
      'select from policy.sign_in where profile_id = $1 and address_hash = $2 and last_at >= $3',
      [profileId, hash, instant(millisOf(at) - known)],
    );
    return rows.length > 0;
  }
}
