const encoder = new TextEncoder();

/** Text stands for its UTF-8, a number for its little-endian 64 bits, bytes for themselves. */
export type Part = string | number | bigint | Uint8Array;

/**
 * Pre-authentication encoding (PASETO): count and lengths as LE64 before each part, so that no two lists of parts
 * give the same bytes. Numbers must be safe, non-negative integers.
 */
export function pae(...parts: readonly Part[]): Uint8Array {
  let most = 8;
  for (const part of parts)
    most += 8 + (typeof part === 'string' ? 3 * part.length : part instanceof Uint8Array ? part.length : 8);
  const room = most <= desk.length ? desk : new Uint8Array(most);
  let at = putLength(room, 0, parts.length);
  for (const part of parts) {
    const begin = at + 8;
    const length = typeof part === 'string' ? putText(room, begin, part) : putBytes(room, begin, part);
    putLength(room, at, length);
    at = begin + length;
  }
  const out = room.slice(0, at);
  // Some texts hold secrets.
  room.fill(0, 0, at);
  return out;
}

/** Where encodings are put together: nearly all are short, and an array for each of their parts costs more than the rest. */
const desk = new Uint8Array(1024);

function putLength(room: Uint8Array, at: number, length: number): number {
  for (let n = 0, rest = length; n < 8; n++, rest = Math.floor(rest / 256)) room[at + n] = rest % 256;
  return at + 8;
}

function putBytes(room: Uint8Array, at: number, part: number | bigint | Uint8Array): number {
  const bytes = part instanceof Uint8Array ? part : le64(part);
  room.set(bytes, at);
  return bytes.length;
}

function putText(room: Uint8Array, at: number, text: string): number {
  for (let n = 0; n < text.length; n++) {
    const code = text.charCodeAt(n);
    if (code >= 0x80) return encoder.encodeInto(text, room.subarray(at)).written;
    room[at + n] = code;
  }
  return text.length;
}

/** LE64 of a non-negative integer. Throws a RangeError for anything else. */
export function le64(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError('not a safe integer');
  const wide = BigInt(value);
  if (wide < 0n || wide >= 1n << 64n) throw new RangeError('not an unsigned 64-bit integer');
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, wide, true);
  return out;
}

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}
