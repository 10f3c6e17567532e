import { median } from './figures';
import { HttpConnection } from './http-connection';
import { figure, type Section } from './report';
import type { Vault } from './vault';

interface Host {
  vault(name?: string): Promise<Vault>;
}

const password = 'tall green walnut tree';
const profiles = 50;
/** Failures in a row before a name is locked from an address: from the fifth on. */
const failures = 4;

/** Whether the time of a refusal tells a wrong password from a name that nobody has. */
export async function login(bench: Host): Promise<Section> {
  const { port } = await bench.vault();
  const connection = new HttpConnection(port);
  const post = async (path: string, json: object, expected: number): Promise<number> => {
    const request = connection.encode({ method: 'POST', path, headers: { prefer: 'wait=30' }, json });
    const begun = performance.now();
    const { status } = await connection.send(request);
    if (status !== expected) throw new Error(`${path} was answered ${status}`);
    return performance.now() - begun;
  };
  const run = process.hrtime.bigint().toString(36);
  const nameOf = (kind: 'known' | 'unknown', n: number) => `${kind}-${run}-${n}@example.org`;
  for (let n = 0; n < profiles; n++) {
    await post('/profile/register-profile', { username: nameOf('known', n), password }, 200);
  }

  const found = { known: [] as number[], unknown: [] as number[] };
  for (let round = 0; round < failures; round++) {
    for (let n = 0; n < profiles; n++) {
      // In turns, and each of them first as often as the other.
      const kinds = ['known', 'unknown'] as const;
      for (const kind of n % 2 === 0 ? kinds : [...kinds].reverse()) {
        const attempt = { username: nameOf(kind, n), password: 'not the right one' };
        const millis = await post('/profile/authenticate', attempt, 401);
        // The first ten warm up.
        if (round > 0 || n >= 10) found[kind].push(millis);
      }
    }
  }
  connection.close();

  const [known, unknown] = [median(found.known), median(found.unknown)];
  const spread = Math.min(spreadOf(found.known), spreadOf(found.unknown));
  return {
    title: 'Failed logins',
    how: `Row 4 with a wrong password for names that are registered, and for names that nobody has, in turns over one connection; the server's password settings are the defaults. ${found.known.length} of each. The spread is the distance between the quartiles.`,
    columns: ['name', 'median ms', 'spread ms', 'fastest ms'],
    rows: [
      ['registered', known, spreadOf(found.known), Math.min(...found.known)],
      ['unknown', unknown, spreadOf(found.unknown), Math.min(...found.unknown)],
    ],
    aims: [
      {
        what: `difference of the medians (${figure(Math.abs(known - unknown))} ms) against the smaller spread`,
        value: Math.abs(known - unknown) / spread,
        atMost: 1,
      },
    ],
  };
}

function spreadOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)] ?? NaN;
  return at(0.75) - at(0.25);
}
