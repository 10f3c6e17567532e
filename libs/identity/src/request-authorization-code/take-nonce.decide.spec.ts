import type { NonceTaken } from '@symbolon/contracts';
import { scenario } from '@symbolon/testing';
import { before, later, now, scope } from '../oauth-application/sample-events';
import { nonce } from './nonce.model';
import { takeNonce } from './take-nonce.decide';

const { given } = scenario(nonce, takeNonce);
const taken = (commandId: string, expiresAt = later): NonceTaken => ({
  type: 'oauth.nonce_taken',
  version: 1,
  data: { commandId, scope, expiresAt },
});
const command = { commandId: 'second', scope, now, expiresAt: later, spentBy: null };

describe('a nonce', () => {
  test('belongs to the first request', () => given().when(command).then(taken('second')));
  test('belongs to nobody else while it lasts', () => given(taken('first')).when(command).then());
  test('is free again after its time', () => given(taken('first', before)).when(command).then(taken('second')));
  test('is never free again once a code was issued for it', () =>
    given(taken('first', before))
      .when({ ...command, spentBy: 'first' })
      .then());
});
