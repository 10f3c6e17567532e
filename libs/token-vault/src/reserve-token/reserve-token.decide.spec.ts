import { scenario } from '@symbolon/testing';
import { ada, exchanged, expired, eve, morning, noon, reserved, tokenId } from '../token/sample-events';
import { token } from '../token/token.model';
import { issueStreamAuth } from '../retrieve-temporary-token/issue-stream-auth.decide';
import { reserveToken } from './reserve-token.decide';

describe('reserving token space', () => {
  const { given } = scenario(token, reserveToken);
  const command = { tokenId, profileId: ada, tokenHash: 'hash', expiresAt: noon, context: 'invoices/2026', meta: {} };

  test('makes a temporary token whose context and meta are personal', () => given().when(command).then(reserved));
  test('happens once', () => given(reserved).when(command).then());
});

describe('issuing a stream auth', () => {
  const { given } = scenario(token, issueStreamAuth);
  const command = { tokenId, owner: ada, now: morning, authHash: 'h' };

  test('lives as long as the reservation', () =>
    given(reserved)
      .when(command)
      .then({
        type: 'data_token.stream_auth_issued',
        version: 1,
        data: { tokenId, authHash: 'h', expiresAt: noon },
      }));
  test('is refused for what is unknown, foreign, over or exchanged', () => {
    given().when(command).refused('not_found');
    given(reserved)
      .when({ ...command, owner: eve })
      .refused('not_found');
    given(reserved)
      .when({ ...command, now: noon })
      .refused('not_found');
    given(reserved, expired).when(command).refused('not_found');
    given(reserved, exchanged).when(command).refused('not_found');
  });
});
