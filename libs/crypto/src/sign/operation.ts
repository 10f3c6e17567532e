import { createHash } from 'node:crypto';
import { canonicalJson, operationText } from '@symbolon/contracts';
import { randomBytes } from '../mint/secrets';

/** 16 random bytes, base64url: hides from a digest's readers what could be guessed of the command. */
export function mintOperationNonce(): string {
  return randomBytes(16).toString('base64url');
}

/** Operation digest (crypto design, section 14), base64url. `input` is the command's data as stored. */
export function operationDigest(commandType: string, commandId: string, input: unknown, nonce: string): string {
  const text = operationText(commandType, commandId, canonicalJson(input), Buffer.from(nonce, 'base64url'));
  return createHash('sha256').update(text).digest('base64url');
}
