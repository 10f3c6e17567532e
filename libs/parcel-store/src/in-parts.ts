import type { ParcelBytes } from './parcel-store';

/** The same bytes in parts of `size`, the last one shorter; none of no bytes. Holds one part at a time. */
export async function* inParts(bytes: ParcelBytes, size: number): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (let chunk of bytes) {
    while (length + chunk.length >= size) {
      const room = size - length;
      held.push(chunk.subarray(0, room));
      yield Buffer.concat(held, size);
      chunk = chunk.subarray(room);
      held = [];
      length = 0;
    }
    if (chunk.length === 0) continue;
    held.push(chunk);
    length += chunk.length;
  }
  if (length > 0) yield Buffer.concat(held, length);
}
