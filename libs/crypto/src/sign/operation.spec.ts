import { mintOperationNonce, operationDigest } from './operation';

const type = 'data-token/delete-data';
const id = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
const command = { tokenId: '01937b48-aaaa-7abc-8def-0123456789ab' };
const nonce = Buffer.from([...Array(16).keys()]).toString('base64url');

describe('the digest of an operation', () => {
  test('is that of the known answer', () =>
    expect(operationDigest(type, id, command, nonce)).toBe('C0dsk3GiEHoA6uJQLhlau08VRFiPrZPeaFlVLBBx3Zg'));

  test('does not depend on the order of members', () =>
    expect(operationDigest(type, id, { b: 1, a: 2 }, nonce)).toBe(operationDigest(type, id, { a: 2, b: 1 }, nonce)));

  test('is another for another type, command, input or nonce', () => {
    const digests = [
      operationDigest(type, id, command, nonce),
      operationDigest('data-token/request-data', id, command, nonce),
      operationDigest(type, '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b11', command, nonce),
      operationDigest(type, id, { ...command, sealed: true }, nonce),
      operationDigest(type, id, command, mintOperationNonce()),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });
});
