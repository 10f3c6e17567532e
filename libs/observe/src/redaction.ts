import { Secret } from './secret';

const mask = '[redacted]';
const deepest = 8;

/** Names, without case, dashes and underscores, whose values are secrets or personal data wherever they stand. */
const redacted = new Set(
  `password currentpassword newpassword passwordhash secret clientsecret devicesecret rabbitpass credentials pepper
  authorization xdptauthorization cookie setcookie authorizationtoken token tokens datatoken temporarytokenspace
  auth streamauthenticationtoken downloadurl uploadurl payloadurl qrtoken accesstoken refreshtoken
  authorizationcode privatekey masterkey data payload body sealed username address ip remoteaddress useragent
  location givenname familyname devicename context meta comment databaseurl connectionstring`.split(/\s+/),
);

/** Secrets of this API have one form (contract, section 2): 43 base64url characters, some with a prefix. */
const secretForm = /(?<![\w-])(?:T-|dt_)?[\w-]{43}(?![\w-])/g;
const passwordInUrl = /(\w:\/\/[^\s:/@"]*):[^\s/@"]+@/g;

/** A copy without what must not be logged, by the names of its members at any depth. */
export function redact(value: unknown, depth = 0): unknown {
  if (value === null || typeof value !== 'object' || value instanceof Secret || value instanceof Date) return value;
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (value instanceof Error) return describeError(value, depth);
  if (depth === deepest) return '[…]';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      redacted.has(name.replaceAll(/[-_]/g, '').toLowerCase()) ? mask : redact(member, depth + 1),
    ]),
  );
}

/** Takes out of a text what has the form of a secret, whatever it is called. */
export function scrub(text: string): string {
  return text.replace(secretForm, mask).replace(passwordInUrl, `$1:${mask}@`);
}

/** Only what an error says and where: its further members may hold parameters of a statement or parts of a request. */
function describeError({ name, stack, message, cause, ...rest }: Error & { code?: unknown }, depth: number): object {
  return {
    name,
    message,
    stack,
    ...(typeof rest.code === 'string' ? { code: rest.code } : {}),
    ...(cause === undefined || depth === deepest ? {} : { cause: redact(cause, depth + 1) }),
  };
}
