export type { LookupKind } from '@symbolon/contracts';
export { type EpochReport } from './key-ring/epoch-rotation';
export { FileKeyRing, type FileKeyRingOptions } from './key-ring/file-key-ring';
export { KeyRing, KeyRingError, MemoryKeyRing, type Purpose, purposes, RingKey } from './key-ring/key-ring';
export { KeyStore, type SealKeys, type SigningJwk } from './key-ring/key-store';
export { type LookupReport } from './key-ring/lookup-rotation';
export { PersonalBoxes } from './key-ring/personal-boxes';
export { uuid5, uuid7 } from './mint/ids';
export { mintSecret, randomBytes, sameSecret } from './mint/secrets';
export { argon2Floor, type Argon2Options, Busy, PasswordVerifiers } from './password/password-verifiers';
export { type BundleSecret, openBundle, sealBundle } from './seal/bundle';
export { CobblestoneOpener, CobblestoneSealer } from './seal/chunk-stream';
export { open, openRange, type RangeSource, seal, sealLength } from './seal/cobblestone';
export { Sha256Meter, sha256Hex } from './seal/digest';
export { openMessage, sealMessage } from './seal/hpke';
export {
  blobName,
  type Layer2Binding,
  layer2Length,
  type Layer3Binding,
  layer3Length,
  openLayer2,
  openLayer3,
  sealLayer2,
  sealLayer3,
} from './seal/layers';
export { SealError } from './seal/seal-error';
export { openStreamFrom, sealedStreamLength, sealStreamTo } from './seal/sealed-stream';
export {
  encodePublicKey,
  generateKeyPair,
  importX25519Private,
  jwkThumbprint,
  KeyFormError,
  parsePublicKey,
  x25519Public,
} from './seal/x25519';
export { type AssertedCall, AssertionError, type AssertionKeys, Assertions } from './sign/assertion';
export {
  ed25519Public,
  type EnvelopeToSign,
  generateEd25519,
  importEd25519Private,
  parseSigningKey,
  signEnvelope,
  verifyEnvelope,
} from './sign/ed25519';
export { mintOperationNonce, operationDigest } from './sign/operation';
export { signStatement, StatementError, verifyStatement } from './sign/statement';
