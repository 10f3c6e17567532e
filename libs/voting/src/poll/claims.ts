/** The claims of a compact JWS whose signature was checked, or made, elsewhere. Throws where there are none. */
export function claimsOf(statement: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}
