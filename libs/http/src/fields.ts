import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { KeyFormError, parsePublicKey, parseSigningKey } from '@symbolon/crypto';
import { Expose, Transform } from 'class-transformer';
import { ValidateBy, ValidateIf } from 'class-validator';

export interface FieldOptions {
  /** May be absent. A required field that is absent, null or empty is refused. */
  readonly optional?: boolean;
  readonly description?: string;
}

/** Half of a character: JSON can write it, UTF-8 cannot. */
const unpaired = /\p{Cs}/u;

/** Text of `min` to `max` Unicode code points. */
export function TextField(
  min: number,
  max: number,
  options: FieldOptions & { readonly matches?: RegExp; readonly says?: string } = {},
) {
  const { matches, says } = options;
  return field(
    options,
    { type: String, minLength: min, maxLength: max },
    (value) => {
      if (typeof value !== 'string' || unpaired.test(value)) return 'must be text';
      const length = codePoints(value);
      if (length < min) return `must have at least ${min} characters`;
      if (length > max) return 'is too long';
      return matches && !matches.test(value) ? (says ?? 'is malformed') : null;
    },
    scalarText,
    min === 0,
  );
}

export function IntField(min: number, max: number, options: FieldOptions & { readonly default?: number } = {}) {
  return field(
    { ...options, optional: options.optional ?? options.default !== undefined },
    {
      type: 'integer',
      minimum: min,
      maximum: max,
      ...(options.default === undefined ? {} : { default: options.default }),
    },
    (value) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? null
        : `must be an integer from ${min} to ${max}`,
    (value) => {
      if (value === undefined || value === null || value === '') return options.default;
      return typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
    },
  );
}

export function BoolField(fallback: boolean) {
  return field(
    { optional: true },
    { type: Boolean, default: fallback },
    (value) => (typeof value === 'boolean' ? null : 'must be true or false'),
    (value) => {
      if (value === undefined || value === null || value === '') return fallback;
      if (value === 'true' || value === '1' || value === 1) return true;
      if (value === 'false' || value === '0' || value === 0) return false;
      return value;
    },
  );
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && uuid.test(value);
}

export function UuidField(options: FieldOptions = {}) {
  return field(options, { type: String, format: 'uuid' }, (value) =>
    isUuid(value) ? null : 'must be a UUID in lower case',
  );
}

/** A JSON object of up to `limit` bytes as compact JSON; also given as brackets or as JSON text. */
export function ObjectField(
  options: FieldOptions & {
    readonly limit?: number;
    readonly check?: (value: Record<string, unknown>) => string | null;
  } = {},
) {
  const { limit = 16_384, check } = options;
  return field(
    options,
    { type: 'object', additionalProperties: true },
    (value) => {
      if (value === null || typeof value !== 'object' || Array.isArray(value)) return 'must be an object';
      if (Buffer.byteLength(JSON.stringify(value)) > limit) return `must not exceed ${limit} bytes`;
      return check?.(value as Record<string, unknown>) ?? null;
    },
    jsonText,
  );
}

/** A list: repeated with brackets, comma-separated, or as JSON text. */
export function ListField(min: number, max: number, item: (value: unknown) => boolean, options: FieldOptions = {}) {
  return field(
    options,
    { type: [String], minItems: min, maxItems: max },
    (value) => {
      if (!Array.isArray(value)) return 'must be a list';
      if (value.length < min || value.length > max) return `must have ${min} to ${max} entries`;
      return value.every(item) ? null : 'has a malformed entry';
    },
    (value) => {
      const parsed = jsonText(value);
      if (typeof parsed === 'string') return parsed === '' ? undefined : parsed.split(',');
      return parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed) ? Object.values(parsed) : parsed;
    },
  );
}

const standard = /^[A-Za-z0-9+/]*={0,2}$/;
const urlSafe = /^[A-Za-z0-9_-]*={0,2}$/;

/** Marks the message of data beyond its limit, which answers 413 whatever else is wrong with the fields. */
export const oversized = 'payload_too_large';

/** Why a text is no base64 (either alphabet, padded or not) of 1 to `maxBytes` bytes; null where it is. */
export function base64Fault(text: string, maxBytes: number): string | null {
  const bare = text.replace(/={1,2}$/, '');
  const padded = bare.length < text.length;
  if (Math.floor((bare.length * 3) / 4) > maxBytes) return oversized;
  const wellFormed = standard.test(text) || urlSafe.test(text);
  const whole = bare.length > 0 && bare.length % 4 !== 1 && (!padded || text.length % 4 === 0);
  return wellFormed && whole ? null : 'must be base64 of at least one byte';
}

/** Base64 of 1 to `maxBytes` bytes; what is larger answers 413. `Buffer.from(text, 'base64')` decodes it. */
export function Base64Field(maxBytes: number, options: FieldOptions = {}) {
  return field(
    { description: `Base64 of 1 to ${maxBytes} bytes`, ...options },
    { type: String, minLength: 2 },
    (value) => (typeof value === 'string' ? base64Fault(value, maxBytes) : 'must be text'),
    scalarText,
  );
}

/** Public key in the 100-byte form as 200 hex digits; a wrong one answers 422 `public_key.invalid`. */
export function PublicKeyField(options: FieldOptions = {}) {
  return field(options, { type: String, pattern: '^[0-9a-fA-F]{200}$' }, keyForm(parsePublicKey), lowerCase);
}

/** Ed25519 public key as 64 hex digits; a wrong one answers 422 `public_key.invalid`. */
export function SigningKeyField(options: FieldOptions = {}) {
  return field(options, { type: String, pattern: '^[0-9a-fA-F]{64}$' }, keyForm(parseSigningKey), lowerCase);
}

/** Marks the message of a malformed key, which has a code of its own. */
export const keyMalformed = 'public_key.invalid';

function keyForm(parse: (hex: string) => unknown) {
  return (value: unknown): string | null => {
    try {
      parse(String(value));
      return null;
    } catch (error) {
      if (error instanceof KeyFormError) return keyMalformed;
      throw error;
    }
  };
}

function field(
  { optional = false, description }: FieldOptions,
  schema: Record<string, unknown>,
  check: (value: unknown) => string | null,
  convert: (value: unknown) => unknown = (value) => value,
  mayBeEmpty = false,
): PropertyDecorator {
  const absent = (value: unknown) => value === undefined || value === null || (value === '' && !mayBeEmpty);
  return applyDecorators(
    ApiProperty({ required: !optional, ...(description ? { description } : {}), ...schema }),
    // Only exposed fields are converted when they are absent, which is where a default comes from.
    ...('default' in schema ? [Expose()] : []),
    Transform(({ value }: { value: unknown }) => {
      const converted = convert(value);
      return absent(converted) ? undefined : converted;
    }),
    optional ? ValidateIf((_, value) => !absent(value)) : ValidateIf(() => true),
    ValidateBy({
      name: 'field',
      validator: {
        validate: (value: unknown) => !absent(value) && check(value) === null,
        defaultMessage: (args) => (absent(args?.value) ? 'is required' : (check(args?.value) ?? 'is invalid')),
      },
    }),
  );
}

function scalarText(value: unknown): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}

function lowerCase(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value;
}

function jsonText(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
