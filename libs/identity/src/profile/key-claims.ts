import { Injectable } from '@nestjs/common';
import { Claims } from '@symbolon/command-log';
import type { Cause } from '@symbolon/kernel';
import type { ClaimedKey } from './profile.model';

const kind = 'public-key';

/** A public key has one profile at a time. Who replaces it, or ends, leaves it to anybody. */
@Injectable()
export class KeyClaims {
  constructor(private readonly claims: Claims) {}

  hold({ publicKey, claimId }: ClaimedKey, profileId: string, cause: Cause) {
    return this.claims.hold(kind, publicKey, profileId, claimId, cause);
  }

  release({ publicKey, claimId }: ClaimedKey, profileId: string, cause: Cause): Promise<void> {
    return this.claims.release(kind, publicKey, profileId, cause, claimId);
  }
}
