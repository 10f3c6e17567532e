import { sha256Hex } from '@symbolon/crypto';

/** `typ` of what the server states of a ballot, and a device of its vote (contract, section 16.3). */
export const ballotType = 'symbolon-ballot+jwt';
export const voteType = 'symbolon-vote+jwt';

/** SHA-256 of a statement's text, base64url. */
export function statementHash(statement: string): string {
  return Buffer.from(sha256Hex(statement), 'hex').toString('base64url');
}

/** The claims of a compact JWS whose signature was checked, or made, elsewhere. Throws where there are none. */
export function claimsOf(statement: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}
