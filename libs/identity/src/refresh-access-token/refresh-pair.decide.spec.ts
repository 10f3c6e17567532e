import { scenario } from '@symbolon/testing';
import { authorization } from '../oauth-application/authorization.model';
import {
  codeIssued,
  familyId,
  familyRevoked,
  latest,
  nextPair,
  now,
  pair,
  requested,
  tokenIssued,
  tokenRefreshed,
  tokenRevoked,
} from '../oauth-application/sample-events';
import { refreshPair } from './refresh-pair.decide';

const { given } = scenario(authorization, refreshPair);
const command = { familyId, now, pair: nextPair, accessTokenId: pair.tokenId, refreshTokenId: pair.tokenId };
const granted = [requested, codeIssued, tokenIssued] as const;

describe('a refresh token', () => {
  test('gives a new pair', () =>
    given(...granted)
      .when(command)
      .then(tokenRefreshed));
  test('gives nothing after its time', () =>
    given(...granted)
      .when({ ...command, now: latest })
      .refused('unauthorized'));
  test('used again ends the family, with the old access token or the new one', () => {
    const refreshed = given(...granted, tokenRefreshed);
    const thirdPair = { ...nextPair, tokenId: 'third' };
    refreshed.when({ ...command, pair: thirdPair }).then(familyRevoked('refresh_token_reused'));
    refreshed
      .when({ ...command, pair: thirdPair, accessTokenId: nextPair.tokenId })
      .then(familyRevoked('refresh_token_reused'));
  });
  test('gives nothing beside the access token of an older pair', () =>
    given(...granted, tokenRefreshed)
      .when({ ...command, refreshTokenId: nextPair.tokenId })
      .refused('unauthorized'));
  test.each([[familyRevoked('code_reused')], [tokenRevoked]])('gives nothing once all has ended', (end) =>
    given(...granted, end)
      .when(command)
      .refused('unauthorized'),
  );
  test('is none before there is a token', () => given(requested, codeIssued).when(command).refused('unauthorized'));
});
