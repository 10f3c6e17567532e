import { SystemClock } from '@symbolon/kernel';
import type { Output } from './authenticator/screen';

export type Fields = Readonly<Record<string, string | number | boolean | null>>;

/** Tells of one happening. Fields hold ids, types, sizes and times; never a secret, a key or a byte of payload. */
export type Log = (event: string, fields?: Fields) => void;

/** One line per happening: `time event name=value …`, or with `json` one JSON object `{"event","at",…}`. */
export function logTo(out: Output, json: boolean): Log {
  const clock = new SystemClock();
  return (event, fields = {}) => {
    const at = clock.now();
    out.write(json ? `${JSON.stringify({ event, at, ...fields })}\n` : `${at} ${event}${inWords(fields)}\n`);
  };
}

function inWords(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, value]) => ` ${name}=${typeof value === 'string' && /\s/.test(value) ? JSON.stringify(value) : value}`)
    .join('');
}
