import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import Busboy from '@fastify/busboy';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as qs from 'qs';
import type { RouteAccess } from './endpoint';
import { Problem } from './problem';

/** Bytes of a body, whatever its encoding (contract, section 2). */
export const bodyLimit = 1_048_576;

export const mediaTypes = {
  form: 'application/x-www-form-urlencoded',
  multipart: 'multipart/form-data',
  json: 'application/json',
  raw: 'application/octet-stream',
} as const;
/** What begins like this is a media type (RFC 9110, 8.3.1). */
export const mediaTypeForm = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(?:;|$)/;

const encodings: readonly string[] = [mediaTypes.form, mediaTypes.multipart, mediaTypes.json];

/**
 * One parser for every content type: forms, multipart text fields and JSON alike become one field set, an empty body of
 * any type an empty one. Raw routes get the stream.
 */
export function parseBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', async (request: FastifyRequest, payload: Readable) => {
    if ((request.routeOptions.config as RouteAccess).symbolon?.raw) return payload;
    const type = mediaType(request);
    if (!encodings.includes(type)) return refuseUnlessEmpty(payload);
    const bytes = await readAll(payload, Number(request.headers['content-length'] ?? Number.NaN));
    if (bytes.length === 0) return {};
    switch (type) {
      case mediaTypes.json:
        return parseJson(bytes);
      case mediaTypes.multipart:
        return parseMultipart(bytes, String(request.headers['content-type']));
      default:
        return parseForm(utf8(bytes));
    }
  });
}

const malformed = Symbol('malformed');

/** A query string, by the rules of forms. The router cannot refuse it: a malformed one is marked and refused later. */
export function parseQuery(text: string): Record<string, unknown> {
  try {
    return parseForm(text);
  } catch {
    return { [malformed]: true };
  }
}

export function isMalformed(query: unknown): boolean {
  return typeof query === 'object' && query !== null && malformed in query;
}

/**
 * Query strings and forms: brackets nest, a field given twice without brackets counts once, the last. Throws 400 for
 * what is not percent-encoded UTF-8.
 */
export function parseForm(text: string): Record<string, unknown> {
  return qs.parse(text, {
    depth: 8,
    arrayLimit: 1000,
    parameterLimit: 5000,
    duplicates: 'last',
    strictDepth: false,
    allowPrototypes: false,
    decoder: decoded,
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replace(/\+/g, ' '));
  } catch {
    throw new Problem(400, 'request_malformed');
  }
}

function mediaType(request: FastifyRequest): string {
  return String(request.headers['content-type'] ?? '')
    .split(';', 1)[0]!
    .trim()
    .toLowerCase();
}

async function refuseUnlessEmpty(payload: Readable): Promise<object> {
  for await (const chunk of kept(payload)) {
    if (chunk.length === 0) continue;
    discard(payload);
    throw new Problem(415, 'unsupported_media_type');
  }
  return {};
}

/** The chunks of a request that is not destroyed with the loop over them: it still has to be answered. */
function kept(payload: Readable): AsyncIterable<Buffer> {
  return payload.iterator({ destroyOnReturn: false });
}

const discardedBytes = 4 * 1024 * 1024;
const discardMillis = 10_000;

/**
 * Lets a refused sender finish what it is sending, so that it reads the answer instead of a reset; a sender that has
 * much more to say is cut off.
 */
export function discard(request: Readable): void {
  if (request.destroyed || request.readableEnded) return;
  let size = 0;
  const timer = setTimeout(() => request.destroy(), discardMillis).unref();
  request.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
  request.on('error', () => undefined);
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > discardedBytes) request.destroy();
  });
  request.resume();
}

async function readAll(payload: Readable, declared: number): Promise<Buffer> {
  if (declared > bodyLimit) {
    discard(payload);
    throw new Problem(413, 'payload_too_large');
  }
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of kept(payload)) {
      size += chunk.length;
      if (size > bodyLimit) {
        discard(payload);
        throw new Problem(413, 'payload_too_large');
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(400, 'request_malformed');
  }
  return Buffer.concat(chunks);
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Problem(400, 'request_malformed');
  }
}

function parseJson(bytes: Buffer): object {
  let value: unknown;
  try {
    value = JSON.parse(utf8(bytes), withoutPrototype);
  } catch {
    throw new Problem(400, 'request_malformed');
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Problem(400, 'request_malformed');
  return value;
}

function withoutPrototype(name: string, value: unknown): unknown {
  return name === '__proto__' ? undefined : value;
}

async function parseMultipart(bytes: Buffer, contentType: string): Promise<object> {
  const pairs: string[] = [];
  try {
    const parser = new Busboy({ headers: { 'content-type': contentType }, limits: { fieldSize: bodyLimit } });
    const parsed = new Promise<void>((resolve, reject) => {
      parser.on('field', (name, value) => pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`));
      // A part with a file name is text to us as well: `curl -F data=@file` is an ordinary way to send a field.
      parser.on('file', (name, stream) => {
        textOf(stream).then((value) => pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(value)}`), reject);
      });
      parser.on('finish', () => setImmediate(resolve));
      parser.on('error', reject);
    });
    Readable.from([bytes]).pipe(parser);
    await parsed;
  } catch {
    throw new Problem(400, 'request_malformed');
  }
  return parseForm(pairs.join('&'));
}
