import { scenario } from '@symbolon/testing';
import { profile, type ProfileEvent } from '../profile/profile.model';
import { deleteAccount } from './delete-account.decide';

const profileId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const registered = (kind: 'user' | 'device'): ProfileEvent => ({
  type: 'profile.registered',
  version: 1,
  data: { profileId, kind, usernameHash: 'hash', managedBy: null },
});
const deleted: ProfileEvent = { type: 'profile.deleted', version: 1, data: { profileId, usernameHash: 'hash' } };
const revoked: ProfileEvent = {
  type: 'profile.tokens_revoked',
  version: 1,
  data: { profileId, exceptTokenId: null, applicationId: null, cause: 'account_deleted' },
};
const { given } = scenario(profile, deleteAccount);

describe('deleting an account', () => {
  test('ends the profile and its tokens', () =>
    given(registered('user')).when({ profileId, verified: 1 }).then(deleted, revoked));
  test('is refused without the right password', () =>
    given(registered('user')).when({ profileId, verified: null }).refused('profile.invalid_current_password'));
  test('is refused where the password is another one by now', () =>
    given(registered('user'), { type: 'profile.password_changed', version: 1, data: { profileId } })
      .when({ profileId, verified: 1 })
      .refused('profile.invalid_current_password'));
  test('finds nobody a second time', () =>
    given(registered('user'), deleted, revoked).when({ profileId, verified: 1 }).refused('not_found'));
  test('is not for devices', () => given(registered('device')).when({ profileId, verified: 1 }).refused('not_found'));
});
