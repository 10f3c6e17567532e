import { scenario } from '@symbolon/testing';
import { failRetrieval, inlineLimit, markDownloaded, markReady } from '../deliver-data/deliver-data.decide';
import type { RetrievalEvent } from '../retrieval/retrieval.events';
import { retrieval } from '../retrieval/retrieval.model';
import * as sample from '../token/sample-events';
import { token, type Token } from '../token/token.model';
import { requestData } from './request-data.decide';

const { reserved, exchanged, madePermanent, expired, deleted, ada, eve, morning, noon, tokenId, parcel } = sample;
const requestId = '0193b4c6-0000-7000-8000-0000000000e1';
const tokenAfter = (...events: (typeof reserved)[]) => events.reduce<Token>(token.evolve.bind(token), token.initial);

const requested: RetrievalEvent = {
  type: 'data_token.data_requested',
  version: 1,
  data: {
    tokenId,
    profileId: ada,
    requestId,
    sealedStream: false,
    version: 1,
    size: parcel.size,
    sealedSize: parcel.sealedSize,
    sha256: parcel.sha256,
    dataKey: { keyId: parcel.parcelId, header: parcel.header },
  },
};
const ready: RetrievalEvent = {
  type: 'data_token.data_ready',
  version: 1,
  data: {
    tokenId,
    requestId,
    outputType: 0,
    size: parcel.size,
    downloadAuthHash: 'h',
    expiresAt: noon,
    parcelId: parcel.parcelId,
  },
};
const failed: RetrievalEvent = {
  type: 'data_token.retrieval_failed',
  version: 1,
  data: { tokenId, requestId, reason: 'storage.data_missing' },
};
const downloaded: RetrievalEvent = { type: 'data_token.data_downloaded', version: 1, data: { tokenId, requestId } };

describe('requesting data', () => {
  const { given } = scenario(retrieval, requestData);
  const permanent = tokenAfter(reserved, exchanged, madePermanent);
  const command = {
    requestId,
    tokenId,
    owner: ada,
    begunAt: morning,
    sealed: false,
    token: permanent,
    hasStorage: true,
  };

  test('asks for the version that is held', () => given().when(command).then(requested));
  test('happens once', () => given(requested).when(command).then());
  test('is refused for what is not there, or not mine', () => {
    given()
      .when({ ...command, token: token.initial })
      .refused('data_token.not_found');
    given()
      .when({ ...command, owner: eve })
      .refused('data_token.not_found');
    given()
      .when({ ...command, token: tokenAfter(reserved, exchanged, madePermanent, deleted) })
      .refused('data_token.not_found');
    given()
      .when({ ...command, token: tokenAfter(reserved, expired) })
      .refused('data_token.not_found');
  });
  test('is refused before the first acknowledgement', () =>
    given()
      .when({ ...command, token: tokenAfter(reserved, exchanged) })
      .refused('data_token.not_permanent'));
  test('is refused without a storage device', () =>
    given()
      .when({ ...command, hasStorage: false })
      .refused('storage.no_devices'));
});

describe('an answer to a request', () => {
  const { given } = scenario(retrieval, markReady);
  const answer = { parcelId: parcel.parcelId, downloadAuthHash: 'h', expiresAt: noon };

  test('makes the data ready, inline while it is small', () => given(requested).when(answer).then(ready));
  test('goes by URL from one byte more', () => {
    const sized = (size: number) => ({ ...requested, data: { ...requested.data, size } }) as RetrievalEvent;
    const readyAs = (size: number, outputType: 0 | 1) =>
      ({ ...ready, data: { ...ready.data, size, outputType } }) as RetrievalEvent;
    given(sized(inlineLimit)).when(answer).then(readyAs(inlineLimit, 0));
    given(sized(inlineLimit + 1))
      .when(answer)
      .then(readyAs(inlineLimit + 1, 1));
  });
  test('counts once, and not after the request has failed', () => {
    given(requested, ready).when(answer).then();
    given(requested, failed).when(answer).then();
    given().when(answer).then();
  });
});

describe('a request that nobody could answer', () => {
  const { given } = scenario(retrieval, failRetrieval);
  const command = { reason: 'storage.data_missing' };

  test('fails with the reason', () => given(requested).when(command).then(failed));
  test('does not fail once the data is ready', () => given(requested, ready).when(command).then());
});

describe('a download', () => {
  const { given } = scenario(retrieval, markDownloaded);

  test('is recorded once', () => {
    given(requested, ready).when({}).then(downloaded);
    given(requested, ready, downloaded).when({}).then();
  });
});
