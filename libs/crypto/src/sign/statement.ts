import type { KeyObject } from 'node:crypto';
import { jwkThumbprint } from '../seal/x25519';
import { ed25519Public, signBytes, verifyBytes } from './ed25519';

/** A statement that is refused: it is malformed, or its signature or signer is wrong. */
export class StatementError extends Error {
  constructor(readonly fault: 'malformed' | 'signature') {
    super(fault === 'malformed' ? 'the statement is malformed' : 'the statement is wrongly signed');
    this.name = 'StatementError';
  }
}

const limit = 64 * 1024;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037). Its header holds `alg`, `typ`, `kid` and nothing else. */
export function signStatement(key: KeyObject, typ: string, claims: object): string {
  return signStatementAs(key, jwkThumbprint('Ed25519', ed25519Public(key)), typ, claims);
}

/** The same where the key's thumbprint is at hand. */
export function signStatementAs(key: KeyObject, kid: string, typ: string, claims: object): string {
  const text = `${encode({ alg: 'EdDSA', typ, kid })}.${encode(claims)}`;
  return `${text}.${signBytes(key, Buffer.from(text)).toString('base64url')}`;
}

/**
 * The claims of a statement signed by `publicKeyHex` (64 hex digits). Takes exactly one spelling of each part, at most
 * 64 KiB, and no header member beyond the three. Throws StatementError.
 */
export function verifyStatement(
  text: string,
  expected: { typ: string; publicKeyHex: string },
): Record<string, unknown> {
  const { kid, payload, signed, signature } = parseStatement(text, expected.typ);
  const signer = jwkThumbprint('Ed25519', Buffer.from(expected.publicKeyHex, 'hex'));
  if (kid !== signer || !verifyBytes(expected.publicKeyHex, signed, signature)) throw new StatementError('signature');
  return objectOf(payload);
}

/** The parts of a statement whose signature has not been looked at yet. Throws StatementError. */
export function parseStatement(
  text: string,
  expectedTyp: string,
): { kid: string; payload: Buffer; signed: Buffer; signature: Buffer } {
  if (text.length > limit) throw new StatementError('malformed');
  const [header, claims, signature, ...more] = text.split('.');
  if (header === undefined || claims === undefined || signature === undefined || more.length > 0) {
    throw new StatementError('malformed');
  }
  const { alg, typ, kid, ...others } = objectOf(decode(header));
  if (alg !== 'EdDSA' || typ !== expectedTyp || typeof kid !== 'string' || Object.keys(others).length > 0) {
    throw new StatementError('malformed');
  }
  const signed = Buffer.from(`${header}.${claims}`);
  return { kid, payload: decode(claims), signed, signature: decode(signature) };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): Buffer {
  const bytes = /^[A-Za-z0-9_-]+$/.test(part) ? Buffer.from(part, 'base64url') : null;
  if (bytes?.toString('base64url') !== part) throw new StatementError('malformed');
  return bytes;
}

export function objectOf(bytes: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    throw new StatementError('malformed');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new StatementError('malformed');
  return value as Record<string, unknown>;
}
