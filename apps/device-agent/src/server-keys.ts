import { fromBase64url, type SignedEnvelope, toHex } from '@symbolon/contracts';
import { StatementError, verifyEnvelope, verifyStatement } from '@symbolon/crypto';
import type { Log } from './log';
import { callServer, NotNow } from './server-call';

/** Ed25519 public keys (64 hex digits) of a JWK set. Throws `NotNow` if there are none or they cannot be fetched. */
export async function fetchSigningKeys(url: string, signal: AbortSignal): Promise<string[]> {
  const { status, body } = await callServer(url, { signal });
  const keys = Array.isArray(body['keys']) ? (body['keys'] as unknown[]).flatMap(signingKey) : [];
  if (status !== 200 || keys.length === 0) throw new NotNow(`${url} shows no signing keys`);
  return keys;
}

function signingKey(jwk: unknown): string[] {
  const { kty, crv, x } = (jwk ?? {}) as { kty?: unknown; crv?: unknown; x?: unknown };
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') return [];
  const raw = fromBase64url(x);
  return raw?.length === 32 ? [toHex(raw)] : [];
}

/**
 * The server's pinned signing keys (crypto.md, section 13). A further key is taken over when it stands in the set beside
 * a pinned one; a set without any pinned key is refused.
 */
export class ServerKeys {
  private fetching: Promise<void> | null = null;
  private fetchedAt = -Infinity;

  constructor(
    private pinned: readonly string[],
    private readonly parts: {
      readonly jwksUrl: string;
      readonly save: (pinned: readonly string[]) => Promise<void>;
      readonly now: () => number;
      readonly log: Log;
      readonly signal: AbortSignal;
      /** Milliseconds between two looks for an unknown signer. */
      readonly pause: number;
    },
  ) {}

  /** Has a pinned key signed this? */
  known(envelope: SignedEnvelope & { sealed: Uint8Array }, signature: string): boolean {
    return this.pinned.some((key) => verifyEnvelope(key, envelope, signature));
  }

  /** As `known`, but looks at the set again before it says no. Throws `NotNow` if it cannot look. */
  async knownByNow(envelope: SignedEnvelope & { sealed: Uint8Array }, signature: string): Promise<boolean> {
    await this.refresh();
    return this.known(envelope, signature);
  }

  /**
   * The claims of a compact JWS of the server, or null if none of its keys signed it. Looks at the set again before it
   * says no. Throws `NotNow` if it cannot look.
   */
  async statement(typ: string, text: string): Promise<Readonly<Record<string, unknown>> | null> {
    const claims = this.knownStatement(typ, text);
    if (claims) return claims;
    await this.refresh();
    return this.knownStatement(typ, text);
  }

  private knownStatement(typ: string, text: string): Readonly<Record<string, unknown>> | null {
    for (const publicKeyHex of this.pinned) {
      try {
        return verifyStatement(text, { typ, publicKeyHex });
      } catch (error) {
        if (!(error instanceof StatementError)) throw error;
      }
    }
    return null;
  }

  /** Looks at the set, unless it was seen within the pause. */
  refresh(): Promise<void> {
    if (this.fetching) return this.fetching;
    if (this.parts.now() - this.fetchedAt < this.parts.pause) return Promise.resolve();
    this.fetching = this.fetch().finally(() => (this.fetching = null));
    return this.fetching;
  }

  private async fetch(): Promise<void> {
    const { jwksUrl, signal, save, now, log } = this.parts;
    const shown = await fetchSigningKeys(jwksUrl, signal);
    this.fetchedAt = now();
    if (!shown.some((key) => this.pinned.includes(key))) {
      log('signing-keys-refused', {
        advice:
          'none of the keys at jwks-url is pinned; if the owner of the server confirms them, start once with --pair-anew',
      });
      return;
    }
    const same = shown.length === this.pinned.length && shown.every((key) => this.pinned.includes(key));
    if (same) return;
    const added = shown.filter((key) => !this.pinned.includes(key)).length;
    await save(shown);
    this.pinned = shown;
    log('signing-keys-changed', { added, pinned: shown.length });
  }
}
