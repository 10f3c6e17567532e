import { scenario } from '@symbolon/testing';
import { application } from '../oauth-application/application.model';
import { applicationId, configurationRetrieved, registered } from '../oauth-application/sample-events';
import { showConfiguration } from './show-configuration.decide';

const { given } = scenario(application, showConfiguration);

describe('the configuration of an application', () => {
  test('is shown', () => given(registered).when({ applicationId }).then(configurationRetrieved));
  test('is shown once', () =>
    given(registered, configurationRetrieved).when({ applicationId }).refused('oauth.already_retrieved'));
  test('is nobody’s before there is an application', () =>
    given().when({ applicationId }).refused('oauth.already_retrieved'));
});
