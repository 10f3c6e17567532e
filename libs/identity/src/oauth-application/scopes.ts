/** Every scope there is, in the order in which answers show them (contract, section 3). */
export const allScopes: readonly string[] = [
  'profile:read',
  ...['data-token', 'device', 'storage', 'authenticator', 'policy', 'directory', 'voting'].flatMap((group) => [
    `${group}:read`,
    `${group}:write`,
  ]),
];

/** What `all` and a list of scopes stand for, each once and in order; null where one is not among `allowed`. */
export function scopesOf(asked: readonly string[], allowed: readonly string[]): readonly string[] | null {
  if (!asked.every((scope) => scope === 'all' || allowed.includes(scope))) return null;
  return asked.includes('all') ? allowed : allowed.filter((scope) => asked.includes(scope));
}
