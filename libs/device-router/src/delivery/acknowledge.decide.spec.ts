import type { Decision } from '@symbolon/kernel';
import { acknowledgeDelete, acknowledgeWrite, judgeAnswer, type Ordered } from './acknowledge.decide';

const objectId = 'e727d72273d3cc6f9f39dc5589beadf3';
const foreign = 'f'.repeat(32);
const sha256 = 'aa'.repeat(32);
const order: Ordered = { kind: 'write', deviceIdentifier: 'attic', tokenId: 'token', version: 2, sha256 };
const refused = (decision: Decision<unknown>) => (decision.accepted ? null : decision.refusal.key);

describe('an acknowledgement of a write', () => {
  const ack = { objectId, expectedObjectId: objectId, version: 2, sha256, signed: true };
  test('is recorded with the digest of the device', () =>
    expect(acknowledgeWrite(ack, order)).toEqual({
      accepted: true,
      events: [
        {
          type: 'storage.write_acknowledged',
          version: 1,
          data: { tokenId: 'token', version: 2, deviceIdentifier: 'attic', sha256, signed: true },
        },
      ],
    }));
  test('of other bytes is a digest mismatch', () =>
    expect(refused(acknowledgeWrite({ ...ack, sha256: 'bb'.repeat(32) }, order))).toBe('storage.digest_mismatch'));
  test.each([
    ['of another object', { ...ack, objectId: foreign }, order],
    ['of another version', { ...ack, version: 1 }, order],
    ['of something that was no write', ack, { ...order, kind: 'read' } as const],
  ])('%s is invalid', (_, given, ordered) =>
    expect(refused(acknowledgeWrite(given, ordered))).toBe('device.envelope_invalid'),
  );
});

describe('an acknowledgement of a deletion', () => {
  const ack = { objectId, expectedObjectId: objectId, upToVersion: 2 };
  const deletion = { ...order, kind: 'delete' } as const;
  test('is recorded', () =>
    expect(acknowledgeDelete(ack, deletion)).toEqual({
      accepted: true,
      events: [
        {
          type: 'storage.delete_acknowledged',
          version: 1,
          data: { tokenId: 'token', upToVersion: 2, deviceIdentifier: 'attic' },
        },
      ],
    }));
  test.each([
    ['of another object', { ...ack, objectId: foreign }, deletion],
    ['of fewer versions', { ...ack, upToVersion: 1 }, deletion],
    ['of something that was no deletion', ack, order],
  ])('%s is invalid', (_, given, ordered) =>
    expect(refused(acknowledgeDelete(given, ordered))).toBe('device.envelope_invalid'),
  );
});

describe('an answer to a read', () => {
  const answer = { objectId, expectedObjectId: objectId, version: 2, found: true, sha256 };
  test.each([
    ['the right one', answer, 'promising'],
    ['not found', { ...answer, found: false, sha256: null }, 'not_found'],
    ["another token's object", { ...answer, objectId: foreign }, 'corrupt'],
    ['another version', { ...answer, version: 1 }, 'corrupt'],
    ['other bytes', { ...answer, sha256: 'bb'.repeat(32) }, 'corrupt'],
    ['bytes without digest', { ...answer, sha256: null }, 'corrupt'],
    ["not found, of another token's object", { ...answer, objectId: foreign, found: false }, 'corrupt'],
  ] as const)('%s', (_, given, worth) => expect(judgeAnswer(given, order)).toBe(worth));
});
