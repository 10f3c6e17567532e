import { scenario } from '@symbolon/testing';
import { authorization } from '../oauth-application/authorization.model';
import { requested } from '../oauth-application/sample-events';
import { requestCode } from './request-code.decide';

const { given } = scenario(authorization, requestCode);
const command = { ...requested.data, nonceReused: false };

describe('asking for an authorization code', () => {
  test('is recorded', () => given().when(command).then(requested));
  test('is recorded once', () => given(requested).when(command).then());
  test('is refused with the nonce of another request', () =>
    given()
      .when({ ...command, nonceReused: true })
      .refused('oauth.nonce_reused'));
});
