import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Clock } from '@symbolon/kernel';
import { uuid7 } from '../mint/ids';
import { objectOf, parseStatement, signStatementAs } from './statement';

const typ = 'symbolon-assertion+jwt';
/** Seconds for which an assertion holds. */
const lifetime = 30;
/** Seconds by which the clocks of two machines may differ. */
const skew = 5;
/** Milliseconds for which keys are taken as they were; a key that was withdrawn counts no longer than this. */
const keysKept = 10_000;
/** Ids of assertions that are remembered at a time. */
const mostRemembered = 200_000;

/** Why an assertion does not count. Shows nothing of it. */
export class AssertionError extends Error {
  constructor(readonly fault: 'malformed' | 'signer' | 'claims' | 'expired' | 'replayed') {
    super(`the assertion does not count: ${fault}`);
    this.name = 'AssertionError';
  }
}

/** Where the installation's signing keys come from. */
export interface AssertionKeys {
  signKey(): { readonly kid: string; readonly private: KeyObject };
  jwks(): { readonly keys: ReadonlyArray<{ readonly kid: string; readonly x: string }> };
}

/** The one call that an assertion is for. */
export interface AssertedCall {
  /** The service that is called. */
  readonly audience: string;
  readonly method: string;
  /** Path and query as they are sent. */
  readonly url: string;
}

/**
 * Short-lived signed statements of one process of an installation to another about who calls: JWTs (RFC 7519, RFC 8725)
 * with EdDSA, a `typ` of their own, and issuer, audience, time, id and call bound into them. Each is taken once.
 */
export class Assertions {
  /** What was signed last. */
  private latest: string | null = null;
  private signer: { readonly at: number; readonly kid: string; readonly key: KeyObject } | null = null;
  private signers: { readonly at: number; readonly keys: ReadonlyMap<string, KeyObject> } | null = null;
  /** Ids that were taken, with the second at which they end, the oldest first. */
  private readonly taken = new Map<string, number>();

  constructor(
    private readonly keys: AssertionKeys,
    private readonly issuer: string,
    private readonly clock: Clock,
  ) {}

  /** `claims`: ids and what the service has to know of the caller; never a secret. */
  make({ audience, method, url }: AssertedCall, claims: object): string {
    const now = Math.floor(this.clock.millis() / 1000);
    const standard = { iss: this.issuer, aud: audience, jti: uuid7(), iat: now, exp: now + lifetime };
    const { kid, key } = this.current();
    this.latest = signStatementAs(key, kid, typ, { ...claims, ...standard, req: digest(method, url) });
    return this.latest;
  }

  /** The claims of an assertion that was made for this call and has not been taken before. Throws AssertionError. */
  take(text: string, { audience, method, url }: AssertedCall): Record<string, unknown> {
    const { kid, payload, signed, signature } = parsed(text);
    // What was signed here a moment ago, as where edge and service are one process, needs no second look at that.
    if (text !== this.latest && !this.isSignedBy(kid, signed, signature)) throw new AssertionError('signer');
    const claims = objectOf(payload);
    const { iss, aud, req, iat, exp, jti } = claims;
    const called = digest(method, url);
    if (iss !== this.issuer || aud !== audience || req !== called || typeof jti !== 'string') {
      throw new AssertionError('claims');
    }
    if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) throw new AssertionError('claims');
    const now = this.clock.millis() / 1000;
    const [from, to] = [iat as number, exp as number];
    if (to - from > lifetime || from > now + skew || to + skew <= now) throw new AssertionError('expired');
    this.once(jti, to + skew, now);
    return claims;
  }

  private once(jti: string, until: number, now: number): void {
    for (const [id, end] of this.taken) {
      if (end > now && this.taken.size < mostRemembered) break;
      this.taken.delete(id);
    }
    if (this.taken.has(jti)) throw new AssertionError('replayed');
    this.taken.set(jti, until);
  }

  private isSignedBy(kid: string, signed: Uint8Array, signature: Uint8Array): boolean {
    const key = this.known(kid);
    return key !== undefined && signature.length === 64 && verify(null, signed, key, signature);
  }

  private current(): { readonly kid: string; readonly key: KeyObject } {
    const at = this.clock.millis();
    if (!this.signer || Math.abs(at - this.signer.at) > keysKept) {
      const { kid, private: key } = this.keys.signKey();
      this.signer = { at, kid, key };
    }
    return this.signer;
  }

  private known(kid: string): KeyObject | undefined {
    const at = this.clock.millis();
    if (!this.signers || Math.abs(at - this.signers.at) > keysKept) {
      const keys = this.keys
        .jwks()
        .keys.map(
          ({ kid: id, x }) => [id, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })] as const,
        );
      this.signers = { at, keys: new Map(keys) };
    }
    return this.signers.keys.get(kid);
  }
}

function parsed(text: string): ReturnType<typeof parseStatement> {
  try {
    return parseStatement(text, typ);
  } catch {
    throw new AssertionError('malformed');
  }
}

/** A query may hold a one-time auth: the call is bound by its digest. */
function digest(method: string, url: string): string {
  return createHash('sha256').update(`${method} ${url}`).digest('base64url');
}
