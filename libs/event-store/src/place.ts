/** A place in the log, `"<xid>:<position>"`; null lies before the first event. */
export type Place = string | null;

export function partsOf(place: Place): [xid: string, position: string] {
  const [xid = '', position = ''] = (place ?? '0:0').split(':');
  return [xid, position];
}

/** Is `place` at `target` or behind it in the order of the log? */
export function hasReached(place: Place, target: Place): boolean {
  if (place === target) return true;
  const [xid, position] = partsOf(place).map(BigInt) as [bigint, bigint];
  const [targetXid, targetPosition] = partsOf(target).map(BigInt) as [bigint, bigint];
  return xid === targetXid ? position >= targetPosition : xid > targetXid;
}
