import { scenario } from '@symbolon/testing';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { expireReservation } from './expire-reservation.decide';

const { reserved, exchanged, madePermanent, writeFailed, expired, deleted, morning, noon, tokenId } = sample;
const { given } = scenario(token, expireReservation);

describe('a reservation', () => {
  test('expires at its time', () => given(reserved).when({ tokenId, now: noon }).then(expired));
  test('does not expire before', () => given(reserved).when({ tokenId, now: morning }).refused('data_token.busy'));
  test('does not expire while a write is pending', () =>
    given(reserved, exchanged).when({ tokenId, now: noon }).refused('data_token.busy'));
  test('expires after a write that failed', () =>
    given(reserved, exchanged, writeFailed).when({ tokenId, now: noon }).then(expired));
  test('expires once', () => given(reserved, expired).when({ tokenId, now: noon }).then());
  test('is no reservation any more once permanent or deleted', () => {
    given(reserved, exchanged, madePermanent).when({ tokenId, now: noon }).then();
    given(reserved, deleted).when({ tokenId, now: noon }).then();
  });
});
