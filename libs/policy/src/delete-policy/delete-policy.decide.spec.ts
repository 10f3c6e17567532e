import { scenario } from '@symbolon/testing';
import { policySet } from '../policy/policy.model';
import { activated, deactivated, deleted, id, registered } from '../policy/sample-events';
import { deletePolicy } from './delete-policy.decide';

const { given } = scenario(policySet, deletePolicy);
const command = { ref: { policyId: id } };

describe('deleting a policy', () => {
  test('by its id or by its name', () => {
    given(registered).when(command).then(deleted);
    given(registered, activated, deactivated)
      .when({ ref: { name: 'ask me' } })
      .then(deleted);
  });
  test('is refused while it is active', () => given(registered, activated).when(command).refused('policy.active'));
  test('is refused where there is none, or no more', () => {
    given().when(command).refused('policy.not_found');
    given(registered, deleted).when(command).refused('policy.not_found');
  });
});
