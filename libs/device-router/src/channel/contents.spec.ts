import * as fc from 'fast-check';
import { fromBase64, readDeleteAck, readEnvelope, readReadResult, readWriteAck } from './contents';

const envelope = {
  v: 1,
  id: '01937b4a-6d2e-7c31-9a55-3f0c8e2b7d10',
  type: 'storage.write_ack',
  deviceIdentifier: '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f',
  correlationId: '01937b4a-5a00-7bb2-8123-456789abcdef',
  at: '2026-02-21T15:33:44.123+00:00',
  body: { sealed: 'N/2jVnvb' },
  sig: '5cb905cc',
};
const objectId = 'e727d72273d3cc6f9f39dc5589beadf3';
const sha256 = 'ab'.repeat(32);

describe('the outer form of a message', () => {
  test('is read, without members that nobody knows', () => {
    expect(readEnvelope({ ...envelope, more: 1 })).toEqual(envelope);
    const { sig: _, ...unsigned } = envelope;
    expect(readEnvelope(unsigned)).toEqual(unsigned);
    expect(readEnvelope({ ...envelope, correlationId: null })).toEqual({ ...envelope, correlationId: null });
  });

  test.each([
    ['version', { v: 2 }],
    ['version as text', { v: '1' }],
    ['id', { id: 'x' }],
    ['id in capitals', { id: envelope.id.toUpperCase() }],
    ['type', { type: 'storage write' }],
    ['no type', { type: undefined }],
    ['device', { deviceIdentifier: 7 }],
    ['correlation', { correlationId: 'none' }],
    ['missing correlation', { correlationId: undefined }],
    ['time', { at: 'yesterday' }],
    ['time that is none', { at: '2026-13-41T15:33:44.123+00:00' }],
    ['body', { body: 'sealed' }],
    ['list as body', { body: [] }],
    ['signature', { sig: 5 }],
  ])('is refused for a wrong %s', (_, change) => expect(readEnvelope({ ...envelope, ...change })).toBeNull());
});

describe('contents', () => {
  test('are read', () => {
    expect(readWriteAck({ objectId, version: 1, sha256, storedAt: '…' })).toEqual({ objectId, version: 1, sha256 });
    expect(readDeleteAck({ objectId, upToVersion: 3, deletedAt: '…' })).toEqual({ objectId, upToVersion: 3 });
    expect(readReadResult({ objectId, version: 1, found: false })).toMatchObject({ found: false, payload: null });
    expect(readReadResult({ objectId, version: 1, found: true, size: 3, sha256, payload: 'YWJj' })?.payload).toEqual(
      Buffer.from('abc'),
    );
    expect(readReadResult({ objectId, version: 1, found: true, size: 3, sha256, uploaded: true })).toMatchObject({
      size: 3,
      payload: null,
    });
  });

  test.each([
    ['objectId', { objectId: objectId.toUpperCase() }],
    ['version', { version: 0 }],
    ['version with a fraction', { version: 1.5 }],
    ['found', { found: 'true' }],
    ['size', { size: -1 }],
    ['size as text', { size: '3' }],
    ['digest', { sha256: 'ab' }],
    ['payload', { payload: '***' }],
    ['no payload', { payload: undefined }],
  ])('are refused for a wrong %s', (_, change) =>
    expect(
      readReadResult({ objectId, version: 1, found: true, size: 3, sha256, payload: 'YWJj', ...change }),
    ).toBeNull(),
  );

  test('base64 is what its own encoding gives back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        (bytes) => fromBase64(Buffer.from(bytes).toString('base64'))?.equals(bytes) === true,
      ),
    );
    for (const text of ['a', 'ab', 'abc', 'ab=c', '====', 'a-_b', ' YWJj', 7, null])
      expect(fromBase64(text)).toBeNull();
  });

  test('nothing that a device can send makes a reader throw', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const read of [readEnvelope, readWriteAck, readDeleteAck, readReadResult]) read(value);
      }),
    );
  });
});
