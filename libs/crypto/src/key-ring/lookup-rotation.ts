import type { LookupKind } from '@symbolon/contracts';
import { type RunQuery, settleWriters } from './epoch-rotation';
import type { KeyRing, RingKey } from './key-ring';
import { SealError } from '../seal/seal-error';

export interface LookupReport {
  /** Rows moved to the current epoch by this call, and rows that are still under the old one. */
  readonly rekeyed: number;
  readonly left: number;
}

const batch = 500;

/** One call of `KeyStore.rotateLookups`. */
export async function rekeyLookups(
  ring: KeyRing,
  query: RunQuery,
  readString: (subject: string, id: string) => Promise<string | null>,
  hash: (epoch: RingKey, kind: LookupKind, secret: string) => Buffer,
): Promise<LookupReport> {
  await ring.refresh();
  if (ring.all('token-lookup').length === 1) await ring.rotate('token-lookup');
  const [current, ...older] = ring.all('token-lookup');
  if (!current) throw new SealError();
  await query(`insert into keys.epoch (epoch_id, purpose) values ($1, 'token-lookup') on conflict do nothing`, [
    current.id,
  ]);

  let rekeyed = 0;
  let left = 0;
  for (const epoch of older) {
    await query('update keys.epoch set retired = true where epoch_id = $1', [epoch.id]);
    await settleWriters(query, 'lookup');
    let after: { kind: string; hash: Buffer } = { kind: '', hash: Buffer.alloc(0) };
    for (;;) {
      const { rows } = await query<{ kind: LookupKind; hash: Buffer; id: string; subject_id: string }>(
        `select l.kind, l.hash, l.id, s.subject_id
           from keys.lookup l join keys.sealed_string s on s.id::text = l.id
          where l.epoch_id = $1 and (l.kind, l.hash) > ($2, $3) order by l.kind, l.hash limit ${batch}`,
        [epoch.id, after.kind, after.hash],
      );
      for (const row of rows) {
        const secret = await readString(row.subject_id, row.id);
        // A string beside the row need not be the row's secret.
        if (secret === null || !hash(epoch, row.kind, secret).equals(row.hash)) continue;
        const { rowCount } = await query(
          'update keys.lookup set hash = $3, epoch_id = $4 where kind = $1 and hash = $2',
          [row.kind, row.hash, hash(current, row.kind, secret), current.id],
        );
        rekeyed += rowCount ?? 0;
      }
      const last = rows.at(-1);
      if (!last) break;
      after = last;
    }
    const { rows } = await query<{ left: number }>(
      'select count(*)::int as left from keys.lookup where epoch_id = $1',
      [epoch.id],
    );
    const under = rows[0]?.left ?? 0;
    if (under === 0) await ring.destroy(epoch.id);
    left += under;
  }
  return { rekeyed, left };
}
