import { le64 } from './pae';

/**
 * The Padmé length of `length` bytes: with E = floor(log2 L) and S = floor(log2 E) + 1, rounded up to a multiple of
 * 2^(E - S). At most 12 % more.
 */
export function padmeLength(length: number): number {
  if (length < 2) return length;
  const exponent = floorLog2(length);
  const step = 2 ** (exponent - (floorLog2(exponent) + 1));
  return step <= 1 ? length : Math.ceil(length / step) * step;
}

/** The payload of an envelope with the flag `padded`: LE64 of the length, the payload, zeros. */
export function pad(payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(padmeLength(8 + payload.length));
  out.set(le64(payload.length), 0);
  out.set(payload, 8);
  return out;
}

/** The payload again; null when the length lies beyond the body, the size is not Padmé's or the filling is not zero. */
export function unpad(padded: Uint8Array): Uint8Array | null {
  if (padded.length < 8) return null;
  const length = new DataView(padded.buffer, padded.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(padded.length - 8)) return null;
  const end = 8 + Number(length);
  if (padmeLength(end) !== padded.length) return null;
  return padded.subarray(end).every((byte) => byte === 0) ? padded.subarray(8, end) : null;
}

function floorLog2(value: number): number {
  let exponent = 0;
  for (let rest = value; rest >= 2; rest = Math.floor(rest / 2)) exponent++;
  return exponent;
}
