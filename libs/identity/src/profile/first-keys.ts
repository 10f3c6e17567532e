import { Injectable } from '@nestjs/common';
import { type Caller, Claims } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { type Cause, Streams } from '@symbolon/kernel';
import { profile } from './profile.model';
import type { RegisteredKey } from './profiles.query';

const kind = 'first-key';

type Key = Pick<RegisteredKey, 'fingerprint' | 'signingKey'>;

/**
 * Tells a profile's first key from those that are to replace it, under any race: policies guard a key that is there or on
 * its way. A first key holds the place until its command has ended. Where a crash came between the two, the place stays
 * taken: the next key can be held once without need, but none comes unasked.
 */
@Injectable()
export class FirstKeys {
  constructor(
    private readonly claims: Claims,
    private readonly streams: Streams,
  ) {}

  /** True: no key is there, and no other is on its way. As the log says now: a vote may hang on it. */
  async begin(profileId: string, key: Key, { actor, client }: Caller): Promise<boolean> {
    if (await this.hasKey(profileId)) return false;
    const id = uuid7();
    const cause = { commandId: null, correlationId: id, causationId: id, actor, client };
    if (!(await this.claims.take(kind, profileId, nameOf(key), cause))) return false;
    // Another one may have come and ended in between.
    if (!(await this.hasKey(profileId))) return true;
    await this.end(profileId, key, cause);
    return false;
  }

  async end(profileId: string, key: Key, cause: Cause): Promise<void> {
    await this.claims.release(kind, profileId, nameOf(key), cause);
  }

  private async hasKey(profileId: string): Promise<boolean> {
    return (await this.streams.load(profile, profileId)).state.publicKey !== null;
  }
}

function nameOf({ fingerprint, signingKey }: Key): string {
  return `${fingerprint}/${signingKey ?? ''}`;
}
