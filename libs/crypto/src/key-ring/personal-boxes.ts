import { createHmac } from 'node:crypto';
import { indexText, personalContext, rowContext } from '@symbolon/contracts';
import type { Personal, PersonalSeal, Recorded } from '@symbolon/kernel';
import { open, seal } from '../seal/cobblestone';
import { hkdfExpand, hkdfExtract } from '../seal/hkdf';
import { SealError } from '../seal/seal-error';
import type { KeyStore } from './key-store';

type Fields = Record<string, unknown>;

const indexInfo = Buffer.from('symbolon/1 index');
const noSalt = Buffer.alloc(32);

/**
 * Personal fields in boxes under their subject's key: one per event and subject, one per row or column of a read model.
 * What belongs to a destroyed subject reads as null and is sealed as nothing.
 */
export class PersonalBoxes implements PersonalSeal {
  /** Lengths of prefixes, in code points, that have blind indexes of their own. */
  readonly prefixLengths: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32];
  private erased = 0;
  /** Derived keys, for as long as the subject's own key is held. */
  private readonly indexKeys = new WeakMap<Buffer, Buffer>();

  constructor(private readonly keys: KeyStore) {}

  /** How many boxes were found whose subject is destroyed. */
  get tombstones(): number {
    return this.erased;
  }

  async seal(
    event: { type: string; stream: string; id: string; data: unknown },
    personal: readonly Personal[],
  ): Promise<unknown> {
    if (personal.length === 0) return event.data;
    const bySubject = new Map<string, Fields>();
    for (const { subject, fields } of personal) bySubject.set(subject, { ...bySubject.get(subject), ...fields });
    const sealed: Record<string, string | null> = {};
    for (const [subject, fields] of bySubject) {
      const key = await this.keys.subjectKey(subject);
      const context = personalContext(subject, event.type, event.stream, event.id);
      sealed[subject] = key && seal(key, context, Buffer.from(JSON.stringify(fields))).toString('base64url');
    }
    return { ...(event.data as object), sealed };
  }

  /** The personal fields of one subject in an event; null when they are erased or there are none. Throws SealError. */
  async open(event: Pick<Recorded, 'type' | 'stream' | 'id' | 'data'>, subject: string): Promise<Fields | null> {
    const box = (event.data as { sealed?: Record<string, unknown> } | null)?.sealed?.[subject];
    if (box === undefined) return null;
    return (await this.openBox(subject, box, () =>
      personalContext(subject, event.type, event.stream, event.id),
    )) as Fields | null;
  }

  /** A box for a column of a read model, base64url; the empty text once the subject is destroyed. */
  async sealRow(subject: string, table: string, rowId: string, value: unknown): Promise<string> {
    const key = await this.keys.subjectKey(subject);
    if (!key) return '';
    return seal(key, rowContext(subject, table, rowId), Buffer.from(JSON.stringify(value ?? null))).toString(
      'base64url',
    );
  }

  /** Throws SealError for a box of another row, table or subject. */
  async openRow(subject: string, table: string, rowId: string, box: string | null): Promise<unknown | null> {
    return this.openBox(subject, box, () => rowContext(subject, table, rowId));
  }

  /**
   * Finds equal values without showing them: 8 bytes of a keyed hash, base64url, of the whole value or of its first
   * `prefixLength` code points (one of `prefixLengths`). The empty text once the subject is destroyed.
   */
  async blindIndex(subject: string, column: string, value: string, prefixLength?: number): Promise<string> {
    const key = await this.keys.subjectKey(subject);
    if (!key) return '';
    const indexed = prefixLength === undefined ? value : [...value].slice(0, prefixLength).join('');
    return createHmac('sha256', this.indexKey(key))
      .update(indexText(column, prefixLength ?? 0, indexed))
      .digest()
      .toString('base64url', 0, 8);
  }

  private indexKey(key: Buffer): Buffer {
    const known = this.indexKeys.get(key);
    if (known) return known;
    const derived = hkdfExpand('sha256', hkdfExtract('sha256', noSalt, key), indexInfo, 32);
    this.indexKeys.set(key, derived);
    return derived;
  }

  private async openBox(subject: string, box: unknown, context: () => Uint8Array): Promise<unknown> {
    const key = box === null || box === '' ? null : await this.keys.subjectKey(subject);
    if (!key) {
      this.erased++;
      return null;
    }
    if (typeof box !== 'string') throw new SealError();
    return JSON.parse(open(key, context(), Buffer.from(box, 'base64url')).toString());
  }
}
