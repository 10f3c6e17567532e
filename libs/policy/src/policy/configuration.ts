import type { PolicyKey } from '@symbolon/contracts';
import { codePoints, isUuid } from '@symbolon/http';
import { isAddressRange } from '@symbolon/settings/addresses';

/** A policy's configuration with every value in one form; keys that were not given are absent. */
export interface Configuration {
  readonly classification?: string | readonly string[];
  readonly label?: string | readonly string[];
  readonly handling?: string | readonly string[];
  readonly context?: string;
  readonly minimumSize?: number;
  /** `any` = every application. */
  readonly applicationId?: string | readonly string[];
  readonly exceptAddresses?: readonly string[];
  readonly onlyNewAddress?: boolean;
  readonly deviceIdentifiers?: readonly string[];
}

/** Entries of a list. */
const most = 100;

type Read = (value: unknown) => unknown;

/** Each answers the value in its one form, or undefined where it is of the wrong type. */
const readers: Record<PolicyKey, Read> = {
  classification: oneOrMore(isName),
  label: oneOrMore(isName),
  handling: oneOrMore(isName),
  context: (value) => (typeof value === 'string' && isText(value, 255) ? value : undefined),
  minimumSize: size,
  applicationId: applications,
  exceptAddresses: list((entry) => typeof entry === 'string' && isAddressRange(entry)),
  onlyNewAddress: truth,
  deviceIdentifiers: list(isUuid),
};

/** Null when a key is not offered, or its value is of the wrong type. */
export function readConfiguration(
  given: Readonly<Record<string, unknown>>,
  offered: readonly PolicyKey[],
): Configuration | null {
  const configuration: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (!(offered as readonly string[]).includes(key)) return null;
    const read = readers[key as PolicyKey](value);
    if (read === undefined) return null;
    configuration[key] = read;
  }
  return configuration;
}

function isText(value: string, longest: number): boolean {
  const length = codePoints(value);
  return length >= 1 && length <= longest && !/\p{Cs}/u.test(value);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && isText(value, 100);
}

function oneOrMore(is: (entry: unknown) => boolean): Read {
  return (value) => {
    if (!Array.isArray(value)) return is(value) ? value : undefined;
    return value.length >= 1 && value.length <= most && value.every(is) ? value : undefined;
  };
}

/** Also in the other forms of a list: one text with commas, JSON text, an object with numbered members. */
function list(is: (entry: unknown) => boolean): Read {
  return (value) => {
    const entries = entriesOf(value);
    return entries && entries.length >= 1 && entries.length <= most && entries.every(is) ? entries : undefined;
  };
}

/** One as a text of its own; several in any form of a list. */
function applications(value: unknown): unknown {
  const entries = list((entry) => entry === 'any' || isUuid(entry))(value) as unknown[] | undefined;
  return typeof value === 'string' && entries?.length === 1 ? entries[0] : entries;
}

function entriesOf(value: unknown): unknown[] | null {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'string' || value === '') return null;
  if (!value.startsWith('[')) return value.split(',');
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function size(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

function truth(value: unknown): boolean | undefined {
  if (value === true || value === 'true' || value === '1' || value === 1) return true;
  if (value === false || value === 'false' || value === '0' || value === 0) return false;
  return undefined;
}
