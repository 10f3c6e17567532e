import { fromBase64url, layers, toBase64url } from '@symbolon/contracts';
import { openForToken, type Place, sealForToken } from './application-layer';
import { bytesOf, streamOf } from './byte-source';
import { SealError } from './cobblestone';
import type { ProfileKeys } from './profile-keys';

/** What describes data and is nobody's but its owner's. As JSON at most 10,000 bytes. */
export interface SealedMeta {
  readonly fileName?: string | undefined;
  readonly extension?: string | undefined;
  /** Bytes. */
  readonly size?: number | undefined;
  readonly path?: string | undefined;
  readonly type?: string | undefined;
  /** Whatever else the application wants to know. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/** Base64url of the envelope must leave room in the 16 KiB that the server takes as meta. */
const LONGEST = 10_000;

/**
 * Seals what describes the data of a token: a SYM1 envelope of layer 8 in text form, for `meta.data.sealed`. `version` is
 * that of the data it describes.
 */
export async function sealMeta(keys: ProfileKeys, place: Place, version: number, meta: SealedMeta): Promise<string> {
  const json = new TextEncoder().encode(JSON.stringify(meta));
  if (json.length > LONGEST) throw new RangeError(`the description has more than ${LONGEST} bytes`);
  const sealed = await sealForToken(keys, place, version, streamOf(one(json), json), { layer: layers.metadata });
  return toBase64url(await bytesOf(sealed));
}

/** Throws `SealError` for anything that one of `keys` has not sealed for this token. */
export async function openMeta(
  keys: ProfileKeys,
  place: Place,
  text: string,
): Promise<{ readonly version: number; readonly meta: SealedMeta }> {
  const bytes = fromBase64url(text);
  if (!bytes) throw new SealError();
  const source = streamOf(one(bytes), bytes);
  const { stream, version } = await openForToken(keys, place, source, bytes.length, undefined, layers.metadata);
  const meta: unknown = JSON.parse(new TextDecoder().decode(await bytesOf(stream)));
  if (meta === null || typeof meta !== 'object') throw new SealError();
  return { version, meta: meta };
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
