import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { ed25519Public, generateEd25519 } from './ed25519';
import { jwkThumbprint } from '../seal/x25519';
import { signStatement, StatementError, verifyStatement } from './statement';

const { privateKey, publicKey } = generateEd25519();
const typ = 'symbolon-vote+jwt';
const kid = jwkThumbprint('Ed25519', ed25519Public(privateKey));
const claims = { iss: '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f', vote: 'yes' };
const text = signStatement(privateKey, typ, claims);

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
/** A statement with any header and payload, rightly signed. */
const signed = (header: unknown, payload: unknown = claims) => {
  const body = `${encode(header)}.${encode(payload)}`;
  return `${body}.${sign(null, Buffer.from(body), privateKey).toString('base64url')}`;
};
const faultOf = (statement: string) => {
  try {
    verifyStatement(statement, { typ, publicKeyHex: publicKey });
    return null;
  } catch (error) {
    return error instanceof StatementError ? error.fault : error;
  }
};

test('what was signed verifies', () => {
  expect(verifyStatement(text, { typ, publicKeyHex: publicKey })).toEqual(claims);
  expect(faultOf(signed({ alg: 'EdDSA', typ, kid }))).toBeNull();
});

test('jose reads our statements', async () => {
  const { compactVerify, importJWK } = await import('jose');
  const key = await importJWK(
    { kty: 'OKP', crv: 'Ed25519', x: ed25519Public(privateKey).toString('base64url') },
    'EdDSA',
  );
  const { payload, protectedHeader } = await compactVerify(text, key);
  expect(JSON.parse(Buffer.from(payload).toString())).toEqual(claims);
  expect(protectedHeader).toEqual({ alg: 'EdDSA', typ, kid });
});

describe('J1: one spelling only', () => {
  const [header, payload, signature] = text.split('.') as [string, string, string];
  const padded = header + '='.repeat((4 - (header.length % 4)) % 4);
  /** The same bytes with another unused tail bit. */
  const twisted = (part: string) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) as string) + 1];
  };

  test('another tail bit decodes to the same bytes', () => {
    expect(Buffer.from(twisted(signature), 'base64url').equals(Buffer.from(signature, 'base64url'))).toBe(true);
  });

  test.each([
    ['a blank in a part', `${header}.${payload.slice(0, 5)} ${payload.slice(5)}.${signature}`],
    ['a line break in a part', `${header}.${payload}.${signature.slice(0, 9)}\n${signature.slice(9)}`],
    ['a line break at the end', `${text}\n`],
    ['padding', `${header}.${payload}.${signature}==`],
    ['padding of the header', `${padded}=.${payload}.${signature}`],
    ['another tail bit', `${header}.${payload}.${twisted(signature)}`],
    ['standard base64', `${header}.${payload}.${signature.replaceAll('-', '+').replaceAll('_', '/')}+`],
    ['an impossible length', `${header}.${payload}A.${signature}AAA`],
    ['an empty part', `${header}..${signature}`],
    ['no signature', `${header}.${payload}.`],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${text}.${signature}`],
    ['nothing', ''],
    ['JSON form', JSON.stringify({ protected: header, payload, signature })],
  ])('%s is refused', (_, statement) => {
    expect(faultOf(statement)).toBe('malformed');
  });
});

describe('J2: one algorithm, one signer, one kind', () => {
  test.each([
    ['alg none', { alg: 'none', typ, kid }],
    ['alg NONE', { alg: 'NONE', typ, kid }],
    ['alg Ed25519', { alg: 'Ed25519', typ, kid }],
    ['no alg', { typ, kid }],
    ['another typ', { alg: 'EdDSA', typ: 'symbolon-ballot+jwt', kid }],
    ['no typ', { alg: 'EdDSA', kid }],
    ['no kid', { alg: 'EdDSA', typ }],
    ['a kid that is no text', { alg: 'EdDSA', typ, kid: [kid] }],
    ['crit', { alg: 'EdDSA', typ, kid, crit: ['exp'], exp: 1 }],
    ['empty crit', { alg: 'EdDSA', typ, kid, crit: [] }],
    ['zip', { alg: 'EdDSA', typ, kid, zip: 'DEF' }],
    ['jku', { alg: 'EdDSA', typ, kid, jku: 'https://example.org/jwks' }],
    ['x5u', { alg: 'EdDSA', typ, kid, x5u: 'https://example.org/cert' }],
    ['b64', { alg: 'EdDSA', typ, kid, b64: false }],
    ['jwk', { alg: 'EdDSA', typ, kid, jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' } }],
    ['a list as header', ['EdDSA', typ, kid]],
    ['null as header', null],
    ['broken JSON', '{"alg":"EdDSA"'],
    ['broken UTF-8', Buffer.from([0x7b, 0xff, 0x7d]).toString('latin1')],
  ])('%s is refused, although rightly signed', (_, header) => {
    expect(faultOf(signed(header))).toBe('malformed');
  });

  test('an unsigned statement is refused', () => {
    expect(faultOf(`${encode({ alg: 'none', typ, kid })}.${encode(claims)}.`)).toBe('malformed');
  });

  test('HMAC with the public key as secret is refused', () => {
    for (const alg of ['HS256', 'EdDSA']) {
      const body = `${encode({ alg, typ, kid })}.${encode(claims)}`;
      for (const secret of [publicKey, Buffer.from(publicKey, 'hex')]) {
        const mac = createHmac('sha512', secret).update(body).digest('base64url');
        expect(faultOf(`${body}.${mac}`)).toBe(alg === 'EdDSA' ? 'signature' : 'malformed');
      }
    }
  });

  test('another kid, another signer, another payload are wrongly signed', () => {
    expect(faultOf(signed({ alg: 'EdDSA', typ, kid: 'A'.repeat(43) }))).toBe('signature');
    const other = generateKeyPairSync('ed25519').privateKey;
    expect(faultOf(signStatement(other, typ, claims))).toBe('signature');
    const body = `${encode({ alg: 'EdDSA', typ, kid })}.${encode(claims)}`;
    expect(faultOf(`${body}.${sign(null, Buffer.from(body), other).toString('base64url')}`)).toBe('signature');
    const [header, , signature] = text.split('.');
    expect(faultOf(`${header}.${encode({ ...claims, vote: 'no' })}.${signature}`)).toBe('signature');
  });

  test('a payload that is no object is refused', () => {
    for (const payload of ['7', '"x"', '[]', 'null', '{'])
      expect(faultOf(signed({ alg: 'EdDSA', typ, kid }, payload))).toBe('malformed');
  });
});

describe('J3: size before parsing', () => {
  test('beyond 64 KiB nothing is parsed, up to it everything is', () => {
    expect(faultOf(signed({ alg: 'EdDSA', typ, kid }, { x: 'y'.repeat(45_000) }))).toBeNull();
    expect(faultOf(signed({ alg: 'EdDSA', typ, kid }, { x: 'y'.repeat(50_000) }))).toBe('malformed');
    expect(faultOf('A'.repeat(400 * 1024 * 1024))).toBe('malformed');
    expect(faultOf(`${text}${'.A'.repeat(40_000)}`)).toBe('malformed');
  });

  test('deep JSON is survived', () => {
    expect(faultOf(signed({ alg: 'EdDSA', typ, kid }, '['.repeat(40_000)))).toBe('malformed');
    expect(faultOf(signed({ alg: 'EdDSA', typ, kid }, `{"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`))).toBeNull();
  });
});
