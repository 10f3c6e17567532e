import { scenario } from '@symbolon/testing';
import { policySet } from '../policy/policy.model';
import { activated, deactivated, deleted, id, otherId, registered } from '../policy/sample-events';
import { deactivatePolicy } from './deactivate-policy.decide';

const { given } = scenario(policySet, deactivatePolicy);
const command = { ref: { policyId: id } };

describe('deactivating a policy', () => {
  test('by its id or by its name', () => {
    given(registered, activated).when(command).then(deactivated);
    given(registered, activated)
      .when({ ref: { name: 'ask me' } })
      .then(deactivated);
  });
  test('is refused where it is not active', () => {
    given(registered).when(command).refused('policy.not_active');
    given(registered, activated, deactivated).when(command).refused('policy.not_active');
  });
  test('is refused where there is none, or no more', () => {
    given(registered, activated)
      .when({ ref: { policyId: otherId } })
      .refused('policy.not_found');
    given(registered, deleted).when(command).refused('policy.not_found');
  });
});
