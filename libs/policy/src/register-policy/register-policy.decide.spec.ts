import { scenario } from '@symbolon/testing';
import { policySet } from '../policy/policy.model';
import { activated, configurationId, deleted, otherId, registered } from '../policy/sample-events';
import { registerPolicy } from './register-policy.decide';

const { given } = scenario(policySet, registerPolicy);
const { votingConfigurationId: _, ...fields } = registered.data;
const command = { ...fields, configuration: { context: 'invoices/*' }, votingConfiguration: null };

describe('registering a policy', () => {
  test('makes an inactive one', () => given().when(command).then(registered));
  test('names its voting configuration by id', () =>
    given()
      .when({ ...command, votingConfiguration: { id: configurationId } })
      .then({ ...registered, data: { ...registered.data, votingConfigurationId: configurationId } }));
  test('is refused where the voting configuration does not exist', () =>
    given()
      .when({ ...command, votingConfiguration: 'missing' })
      .refused('voting_configuration.not_found'));
  test('is refused under a name that is in use', () =>
    given(registered, activated)
      .when({ ...command, id: otherId })
      .refused('policy.name_taken'));
  test('may take the name of one that was deleted', () =>
    given(registered, deleted)
      .when({ ...command, id: otherId })
      .then({ ...registered, data: { ...registered.data, id: otherId } }));
  test('may take a name that differs in case', () =>
    given(registered)
      .when({ ...command, id: otherId, name: 'Ask me' })
      .then({ ...registered, data: { ...registered.data, id: otherId, name: 'Ask me' } }));
});
