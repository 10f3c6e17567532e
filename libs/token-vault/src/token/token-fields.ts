import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { codePoints, IntField, ObjectField, TextField } from '@symbolon/http';
import { plainToInstance, Transform } from 'class-transformer';
import { ValidateBy, ValidateIf, ValidateNested } from 'class-validator';

/** A data token as clients send it: opaque text. */
export function TokenField() {
  return TextField(1, 255, { description: 'Data token' });
}

/** The `file` section (contract, section 11). */
export class FileSection {
  @TextField(1, 255, { optional: true })
  fileName?: string;

  @TextField(0, 32, { optional: true })
  extension?: string;

  @IntField(0, Number.MAX_SAFE_INTEGER, { optional: true })
  size?: number;

  @TextField(0, 1024, { optional: true })
  path?: string;
}

/** The `information_security_risk` section: all three, or none. */
export class RiskSection {
  @TextField(1, 100)
  classification!: string;

  @TextField(1, 100)
  label!: string;

  @TextField(1, 100)
  handling!: string;
}

export class TokenMetaFields {
  @Section(FileSection)
  file?: FileSection;

  @ObjectField({
    optional: true,
    check: ({ type }) => (isType(type) ? null : 'type must be text of 1 to 100 characters'),
  })
  data?: Record<string, unknown>;

  @Section(RiskSection)
  information_security_risk?: RiskSection;
}

const metaLimit = 16_384;

/** Token meta: an object with three known sections; up to 16 KiB as compact JSON. */
export function TokenMetaField() {
  return applyDecorators(
    Section(TokenMetaFields),
    ValidateBy({
      name: 'metaLimit',
      validator: {
        validate: (value: unknown) => Buffer.byteLength(JSON.stringify(value) ?? '') <= metaLimit,
        defaultMessage: () => `must not exceed ${metaLimit} bytes`,
      },
    }),
  );
}

/** An optional object with fields of its own; may come as JSON text. */
function Section<T extends object>(type: new () => T): PropertyDecorator {
  return applyDecorators(
    ApiProperty({ type: () => type, required: false }),
    Transform(({ value }: { value: unknown }) => {
      const parsed = parsedText(value);
      if (parsed === undefined || parsed === null || parsed === '') return undefined;
      return typeof parsed === 'object' && !Array.isArray(parsed) ? plainToInstance(type, parsed) : parsed;
    }),
    ValidateIf((_, value) => value !== undefined),
    ValidateNested({ message: 'must be an object' }),
    ValidateBy({
      name: 'section',
      validator: { validate: (value: unknown) => value instanceof type, defaultMessage: () => 'must be an object' },
    }),
  );
}

function isType(type: unknown): boolean {
  return type === undefined || type === null || (typeof type === 'string' && type !== '' && codePoints(type) <= 100);
}

function parsedText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
