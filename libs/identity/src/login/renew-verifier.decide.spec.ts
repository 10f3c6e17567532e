import { scenario } from '@symbolon/testing';
import { profile, type ProfileEvent } from '../profile/profile.model';
import { renewVerifier } from './renew-verifier.decide';

const profileId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const registered: ProfileEvent = {
  type: 'profile.registered',
  version: 1,
  data: { profileId, kind: 'user', usernameHash: 'hash', managedBy: null },
};
const changed: ProfileEvent = { type: 'profile.password_changed', version: 1, data: { profileId } };
const renewal = (passwords: number) => ({ profileId, passwords, passwordHash: 'hash' });
const renewed = {
  type: 'profile.verifier_renewed',
  version: 1,
  data: { profileId },
  personal: { subject: profileId, fields: { passwordHash: 'hash' } },
} as const;
const { given } = scenario(profile, renewVerifier);

describe('a verifier that is made anew', () => {
  test('takes the place of the old one', () => given(registered, changed).when(renewal(2)).then(renewed));
  test('does not bring back a password that was changed', () => given(registered, changed).when(renewal(1)).then());
});
