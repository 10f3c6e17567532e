import { scenario } from '@symbolon/testing';
import { authorization } from '../oauth-application/authorization.model';
import {
  codeIssued,
  familyId,
  familyRevoked,
  later,
  nextPair,
  now,
  pair,
  requested,
  tokenIssued,
  tokenRefreshed,
  tokenRevoked,
} from '../oauth-application/sample-events';
import { exchangeCode } from './exchange-code.decide';

const { given } = scenario(authorization, exchangeCode);
const command = { familyId, now, pair };
const again = { familyId, now, pair: nextPair };

describe('an authorization code', () => {
  test('gives a pair of tokens', () => given(requested, codeIssued).when(command).then(tokenIssued));
  test('gives nothing after its time', () =>
    given(requested, codeIssued)
      .when({ ...command, now: later })
      .refused('unauthorized'));
  test('gives nothing before it was issued', () => given(requested).when(command).refused('unauthorized'));
  test('used again ends what came from it', () =>
    given(requested, codeIssued, tokenIssued).when(again).then(familyRevoked('code_reused')));
  test('used again after its time does so too', () =>
    given(requested, codeIssued, tokenIssued, tokenRefreshed)
      .when({ ...again, now: later })
      .then(familyRevoked('code_reused')));
  test('gives nothing once all has ended', () => {
    given(requested, codeIssued, tokenIssued, familyRevoked('code_reused')).when(again).refused('unauthorized');
    given(requested, codeIssued, tokenIssued, tokenRevoked).when(again).refused('unauthorized');
  });
});
