import { scenario } from '@symbolon/testing';
import { authorization } from '../oauth-application/authorization.model';
import { codeIssued, requested, tokenIssued } from '../oauth-application/sample-events';
import { issueCode } from './issue-code.decide';

const { given } = scenario(authorization, issueCode);
const { codeId, codeHash, expiresAt } = codeIssued.data;
const command = { codeId, codeHash, expiresAt };

describe('the code for a consent', () => {
  test('is issued', () => given(requested).when(command).then(codeIssued));
  test('is issued once', () => given(requested, codeIssued).when(command).refused('oauth.already_retrieved'));
  test('is not issued again once it was used', () =>
    given(requested, codeIssued, tokenIssued).when(command).refused('oauth.already_retrieved'));
  test('needs a consent', () => given().when(command).refused('oauth.already_retrieved'));
});
