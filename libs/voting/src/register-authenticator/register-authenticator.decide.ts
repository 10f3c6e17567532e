import type { Voting, VotingEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';
import type { Device, DeviceKeys } from '../authenticator/device.model';

export interface RegisterAuthenticator {
  readonly profileId: string;
  readonly deviceIdentifier: string;
  readonly device: Device & DeviceKeys;
}

/** Verified at once: approval and key have shown whose device it is. */
export const registerAuthenticator: Decide<RegisterAuthenticator, VotingEvent, Voting> = (
  { profileId, deviceIdentifier, device },
  { authenticators },
) => {
  if (device.owner !== profileId || device.phase === 'removed') return refuse('device.not_found');
  if (device.phase !== 'approved') return refuse('device.not_approved');
  if (!device.hasKey) return refuse('device.public_key_missing');
  if (authenticators.has(deviceIdentifier)) return refuse('authenticator.already_registered');
  const data = { deviceIdentifier, profileId };
  return accept(
    { type: 'authenticator.registered', version: 1, data },
    { type: 'authenticator.verified', version: 1, data },
  );
};
