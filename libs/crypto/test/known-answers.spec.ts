import { createHash, createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  canonicalJson,
  envelopeInfo,
  keyContext,
  type LookupKind,
  lookupText,
  objectText,
  operationText,
  pae,
  personalContext,
  rowContext,
  streamInfo,
  unpad,
  utf8,
} from '@symbolon/contracts';
import {
  blobName,
  encodePublicKey,
  importEd25519Private,
  importX25519Private,
  jwkThumbprint,
  open,
  openBundle,
  openLayer2,
  openLayer3,
  openMessage,
  openStreamFrom,
  parsePublicKey,
  seal,
  sealLayer2,
  sha256Hex,
  signEnvelope,
  signStatement,
  verifyEnvelope,
  verifyStatement,
  x25519Public,
} from '../src';
import { CobblestoneSealer } from '../src/seal/chunk-stream';
import { sealMessageFrom } from '../src/seal/hpke';
import { bindingId, openApplicationLayer, sealApplicationLayer } from './application-layer';
import { through } from './collect';

type Texts<K extends string> = Readonly<Record<K, string>>;

const folder = join(__dirname, 'known-answers');
const opened = new Set<string>();
const bytes = (hex: string) => Buffer.from(hex, 'hex');
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

/** A frozen file. Whatever changes, later versions open what earlier ones sealed. */
function answers<T>(name: string): T {
  opened.add(`${name}.json`);
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as T;
}

test('encodings', () => {
  const known = answers<{
    pae: Array<{ parts: Array<string | number>; hex: string }>;
    bindingId: Texts<'token' | 'hex'>;
    lookup: { key: string; kind: LookupKind; secret: string; hex: string };
    objectId: Texts<'key' | 'tokenId' | 'deviceIdentifier' | 'hex'>;
    operation: Texts<'type' | 'commandId' | 'nonce' | 'hex' | 'op'> & { command: object };
    blobName: Texts<'key' | 'objectId' | 'hex'> & { version: number };
  }>('encodings');
  const hmac = (key: string, text: Uint8Array) => createHmac('sha256', bytes(key)).update(text).digest();
  const { lookup, objectId, operation, blobName: name } = known;
  for (const { parts, hex: encoded } of known.pae) expect(hex(pae(...parts))).toBe(encoded);
  expect(hex(bindingId(known.bindingId.token))).toBe(known.bindingId.hex);
  expect(hex(hmac(lookup.key, lookupText(lookup.kind, lookup.secret)))).toBe(lookup.hex);
  const object = hmac(objectId.key, objectText(objectId.tokenId, objectId.deviceIdentifier));
  expect(object.toString('hex', 0, 16)).toBe(objectId.hex);
  const { type, commandId, command, nonce } = operation;
  const digest = createHash('sha256')
    .update(operationText(type, commandId, canonicalJson(command), bytes(nonce)))
    .digest();
  expect([hex(digest), digest.toString('base64url')]).toEqual([operation.hex, operation.op]);
  expect(blobName(bytes(name.key), name.objectId, name.version)).toBe(name.hex);
});

test('wrapped key', () => {
  const known = answers<Texts<'profileKek' | 'key' | 'owner' | 'parcelId' | 'salt' | 'wrapped'>>('wrapped-key');
  const context = keyContext('k2', known.owner, known.parcelId);
  expect(hex(seal(bytes(known.profileKek), context, bytes(known.key), bytes(known.salt)))).toBe(known.wrapped);
  expect(hex(open(bytes(known.profileKek), context, bytes(known.wrapped)))).toBe(known.key);
});

test('personal box', () => {
  const known = answers<
    Texts<'subjectKey' | 'subject' | 'type' | 'stream' | 'eventId' | 'salt' | 'box'> & { fields: object }
  >('personal-box');
  const context = personalContext(known.subject, known.type, known.stream, known.eventId);
  const text = Buffer.from(JSON.stringify(known.fields));
  expect(seal(bytes(known.subjectKey), context, text, bytes(known.salt)).toString('base64url')).toBe(known.box);
  expect(open(bytes(known.subjectKey), context, Buffer.from(known.box, 'base64url')).equals(text)).toBe(true);
});

test('sealed string', () => {
  const known = answers<Texts<'subjectKey' | 'subject' | 'id' | 'text' | 'sealed'>>('sealed-string');
  const context = rowContext(known.subject, 'sealed_string', known.id);
  expect(open(bytes(known.subjectKey), context, bytes(known.sealed)).toString()).toBe(known.text);
});

describe.each(['layer-1-suite-01', 'layer-1-suite-01-padded', 'layer-8-suite-01'])('%s', (name) => {
  const known = answers<
    Texts<
      | 'token'
      | 'owner'
      | 'contentKey'
      | 'receiverPrivate'
      | 'ephemeralPrivate'
      | 'signingPrivate'
      | 'signer'
      | 'salt'
      | 'kid'
      | 'payload'
      | 'envelope'
    > & { layer: 1 | 8; flags: number; version: number }
  >(name);
  const receiver = importX25519Private(known.receiverPrivate);

  test('opens', () => {
    const payload = openApplicationLayer(known, { receiver, signer: known.signer }, bytes(known.envelope));
    expect(hex((known.flags === 2 ? unpad(payload) : payload) ?? Buffer.alloc(0))).toBe(known.payload);
    expect(jwkThumbprint('X25519', x25519Public(receiver))).toBe(known.kid);
  });

  test('is made of the same bytes again', () => {
    const payload = openApplicationLayer(known, { receiver, signer: known.signer }, bytes(known.envelope));
    const keys = {
      contentKey: bytes(known.contentKey),
      receiver: x25519Public(receiver),
      ephemeral: importX25519Private(known.ephemeralPrivate),
      signing: importEd25519Private(known.signingPrivate),
      salt: bytes(known.salt),
    };
    expect(hex(sealApplicationLayer(known, keys, payload))).toBe(known.envelope);
  });
});

test('layer-2-suite-10', async () => {
  const known =
    answers<Texts<'key' | 'tokenId' | 'parcelId' | 'owner' | 'salt' | 'payload' | 'envelope'>>('layer-2-suite-10');
  const sealer = sealLayer2(bytes(known.key), known, bytes(known.salt));
  expect(hex(await through(sealer, bytes(known.payload)))).toBe(known.envelope);
  expect(sealer.header).toBe(bytes(known.envelope).toString('base64url', 12, 68));
  expect(hex(await through(openLayer2(bytes(known.key), known), bytes(known.envelope)))).toBe(known.payload);
});

test('layer-3-suite-10', async () => {
  const known = answers<
    Texts<'masterKek' | 'kid' | 'objectId' | 'deviceIdentifier' | 'payload' | 'envelope'> & { version: number }
  >('layer-3-suite-10');
  const opener = openLayer3(bytes(known.masterKek), bytes(known.kid), known);
  expect(hex(await through(opener, bytes(known.envelope)))).toBe(known.payload);
});

test('layer-4-suite-10', async () => {
  const known = answers<Texts<'master' | 'payload' | 'envelope'>>('layer-4-suite-10');
  expect(hex(await openBundle({ master: bytes(known.master) }, null, bytes(known.envelope)))).toBe(known.payload);
});

test('layer-4-suite-11', async () => {
  const known = answers<Texts<'passphrase' | 'owner' | 'payload' | 'envelope'>>('layer-4-suite-11');
  const { passphrase, owner } = known;
  expect(hex(await openBundle({ passphrase }, owner, bytes(known.envelope)))).toBe(known.payload);
});

test('public key form', () => {
  const known = answers<Texts<'raw' | 'hex'>>('public-key');
  expect(encodePublicKey(bytes(known.raw))).toBe(known.hex);
  const parsed = parsePublicKey(known.hex.toUpperCase());
  expect([hex(parsed.raw), parsed.hex]).toEqual([known.raw, known.hex]);
  expect(parsed.fingerprint).toBe(sha256Hex(bytes(known.hex)));
  expect(parsed.thumbprint).toBe(jwkThumbprint('X25519', bytes(known.raw)));
});

test('sealed message', () => {
  const known =
    answers<
      Texts<
        | 'receiverPrivate'
        | 'receiverPublic'
        | 'ephemeralPrivate'
        | 'id'
        | 'type'
        | 'deviceIdentifier'
        | 'info'
        | 'plaintext'
        | 'sealed'
      >
    >('sealed-message');
  const info = envelopeInfo(known.id, known.type, known.deviceIdentifier);
  expect(info).toBe(known.info);
  const ephemeral = importX25519Private(known.ephemeralPrivate);
  const sealed = sealMessageFrom(ephemeral, bytes(known.receiverPublic), info, utf8(known.plaintext));
  expect(sealed.toString('base64')).toBe(known.sealed);
  const receiver = importX25519Private(known.receiverPrivate);
  expect(hex(x25519Public(receiver))).toBe(known.receiverPublic);
  expect(openMessage([receiver], info, sealed).toString()).toBe(known.plaintext);
});

test('sealed stream', async () => {
  const known =
    answers<Texts<'receiverPrivate' | 'ephemeralPrivate' | 'streamKey' | 'salt' | 'payload' | 'sealed'>>(
      'sealed-stream',
    );
  const receiver = importX25519Private(known.receiverPrivate);
  const ephemeral = importX25519Private(known.ephemeralPrivate);
  const key = bytes(known.streamKey);
  const prefix = sealMessageFrom(ephemeral, x25519Public(receiver), streamInfo, key);
  const sealer = new CobblestoneSealer(key, utf8(streamInfo), { prefix, salt: bytes(known.salt) });
  expect(hex(await through(sealer, bytes(known.payload)))).toBe(known.sealed);
  expect(hex(await through(openStreamFrom([receiver]), bytes(known.sealed)))).toBe(known.payload);
});

test('signature', () => {
  const message = answers<Texts<'id' | 'type' | 'deviceIdentifier' | 'sealed'>>('sealed-message');
  const known =
    answers<Texts<'privateKey' | 'publicKey' | 'kid' | 'correlationId' | 'at' | 'digest' | 'sig'>>('signature');
  const sealed = Buffer.from(message.sealed, 'base64');
  const envelope = { ...message, correlationId: known.correlationId, at: known.at, sealed };
  expect(sha256Hex(sealed)).toBe(known.digest);
  expect(signEnvelope(importEd25519Private(known.privateKey), envelope)).toBe(known.sig);
  expect(verifyEnvelope(known.publicKey, envelope, known.sig)).toBe(true);
  expect(jwkThumbprint('Ed25519', bytes(known.publicKey))).toBe(known.kid);
});

test('statement', () => {
  const known = answers<Texts<'privateKey' | 'publicKey' | 'typ' | 'text'> & { claims: object }>('statement');
  expect(signStatement(importEd25519Private(known.privateKey), known.typ, known.claims)).toBe(known.text);
  expect(verifyStatement(known.text, { typ: known.typ, publicKeyHex: known.publicKey })).toEqual(known.claims);
});

test('every frozen file is opened', () => {
  expect([...opened].sort()).toEqual(readdirSync(folder).sort());
});
