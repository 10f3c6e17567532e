import { scenario } from '@symbolon/testing';
import { authorization } from './authorization.model';
import { revokeFamily } from './revoke-family.decide';
import { codeIssued, nextPair, pair, requested, tokenIssued, tokenRefreshed, tokenRevoked } from './sample-events';

const { given } = scenario(authorization, revokeFamily);
const { tokenId } = pair;

describe('revoking the token of an application', () => {
  test('ends it', () => given(requested, codeIssued, tokenIssued).when({ tokenId }).then(tokenRevoked));
  test('ends it once', () =>
    given(requested, codeIssued, tokenIssued, tokenRevoked).when({ tokenId }).refused('not_found'));
  test('is about the youngest pair alone', () => {
    const refreshed = given(requested, codeIssued, tokenIssued, tokenRefreshed);
    refreshed.when({ tokenId }).refused('not_found');
    refreshed
      .when({ tokenId: nextPair.tokenId })
      .then({ ...tokenRevoked, data: { ...tokenRevoked.data, tokenId: nextPair.tokenId } });
  });
  test('needs a token', () => given(requested, codeIssued).when({ tokenId }).refused('not_found'));
});
