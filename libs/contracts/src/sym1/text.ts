const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const values = new Map([...alphabet].map((character, value) => [character, value]));
const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += byte.toString(16).padStart(2, '0');
  return out;
}

/** The bytes of hex in either case; null when it is malformed. */
export function fromHex(hex: string): Uint8Array | null {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) return null;
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = digit(hex.charCodeAt(2 * i)) * 16 + digit(hex.charCodeAt(2 * i + 1));
  return out;
}

/** Value of a hex digit: '0' is 48, 'A' 65, 'a' 97. */
function digit(code: number): number {
  return code < 58 ? code - 48 : (code % 32) + 9;
}

/** base64url without padding (RFC 4648, section 5). */
export function toBase64url(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const rest = bytes.length - i;
    const word = (bytes[i] ?? 0) * 65_536 + (bytes[i + 1] ?? 0) * 256 + (bytes[i + 2] ?? 0);
    for (let digit = 0; digit < Math.min(4, rest + 1); digit++) {
      out += alphabet.charAt(Math.floor(word / 64 ** (3 - digit)) % 64);
    }
  }
  return out;
}

/** The bytes of base64url; null for padding, foreign characters, a wrong length or unused bits that are not zero. */
export function fromBase64url(text: string): Uint8Array | null {
  if (text.length % 4 === 1) return null;
  const out = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  let word = 0;
  let bits = 0;
  for (const character of text) {
    const value = values.get(character);
    if (value === undefined) return null;
    word = word * 64 + value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = Math.floor(word / 2 ** bits);
      word %= 2 ** bits;
    }
  }
  return word === 0 ? out : null;
}

/** The 16 bytes of a lower-case UUID. Throws a RangeError for any other text. */
export function uuidBytes(uuid: string): Uint8Array {
  const bytes = uuidForm.test(uuid) ? fromHex(uuid.replaceAll('-', '')) : null;
  if (!bytes) throw new RangeError('not a lower-case UUID');
  return bytes;
}

/** The 16 bytes of an objectId, 32 lower-case hex digits. Throws a RangeError for any other text. */
export function objectIdBytes(objectId: string): Uint8Array {
  const bytes = /^[0-9a-f]{32}$/.test(objectId) ? fromHex(objectId) : null;
  if (!bytes) throw new RangeError('not an objectId');
  return bytes;
}

/** What an id contributes to a context: its 16 bytes where it is a UUID, else its text. */
export function idPart(id: string): Uint8Array | string {
  return uuidForm.test(id) ? uuidBytes(id) : id;
}
