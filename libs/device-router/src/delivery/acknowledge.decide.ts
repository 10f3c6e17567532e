import type { CopyEvent } from '@symbolon/contracts';
import { accept, type Decide, refuse } from '@symbolon/kernel';

/** What was ordered, as far as an acknowledgement must agree with it. */
export interface Ordered {
  readonly kind: 'write' | 'read' | 'delete';
  readonly deviceIdentifier: string;
  readonly tokenId: string;
  readonly version: number;
  readonly sha256: string;
}

export interface AcknowledgeWrite {
  /** What the device says, and the objectId that it should say. */
  readonly objectId: string;
  readonly expectedObjectId: string;
  readonly version: number;
  readonly sha256: string;
  readonly signed: boolean;
}

/** A device answers for the object, version and bytes that it was given, and for nothing else. */
export const acknowledgeWrite: Decide<AcknowledgeWrite, CopyEvent, Ordered> = (
  { objectId, expectedObjectId, version, sha256, signed },
  { kind, tokenId, deviceIdentifier, ...ordered },
) => {
  if (kind !== 'write' || objectId !== expectedObjectId || version !== ordered.version)
    return refuse('device.envelope_invalid');
  if (sha256 !== ordered.sha256) return refuse('storage.digest_mismatch');
  const data = { tokenId, version, deviceIdentifier, sha256, signed };
  return accept({ type: 'storage.write_acknowledged', version: 1, data });
};

export interface AcknowledgeDelete {
  readonly objectId: string;
  readonly expectedObjectId: string;
  readonly upToVersion: number;
}

export const acknowledgeDelete: Decide<AcknowledgeDelete, CopyEvent, Ordered> = (
  { objectId, expectedObjectId, upToVersion },
  { kind, tokenId, deviceIdentifier, version },
) => {
  if (kind !== 'delete' || objectId !== expectedObjectId || upToVersion !== version)
    return refuse('device.envelope_invalid');
  return accept({ type: 'storage.delete_acknowledged', version: 1, data: { tokenId, upToVersion, deviceIdentifier } });
};

export interface ReadAnswer {
  readonly objectId: string;
  readonly expectedObjectId: string;
  readonly version: number;
  readonly found: boolean;
  /** What the device says of the L2 bytes. */
  readonly sha256: string | null;
}

/** What an answer to a read is worth before its bytes are looked at. */
export function judgeAnswer(answer: ReadAnswer, ordered: Ordered): 'promising' | 'not_found' | 'corrupt' {
  const { objectId, expectedObjectId, version, found, sha256 } = answer;
  if (objectId !== expectedObjectId || version !== ordered.version) return 'corrupt';
  if (!found) return 'not_found';
  return sha256 === ordered.sha256 ? 'promising' : 'corrupt';
}
