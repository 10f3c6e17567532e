/**
 * JSON in canonical form (RFC 8785): members sorted by UTF-16 code units, no white space, numbers as ECMAScript writes
 * them. Members that are undefined are left out. Throws a TypeError for what JSON cannot hold.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  const wrong =
    typeof value === 'number'
      ? !Number.isFinite(value)
      : !['string', 'boolean'].includes(typeof value) && value !== null;
  if (wrong) throw new TypeError('not a JSON value');
  return JSON.stringify(value);
}
