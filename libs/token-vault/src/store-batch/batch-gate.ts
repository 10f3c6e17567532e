import type { Commands } from '@symbolon/command-log';
import type { PolicyEventId } from '@symbolon/contracts';
import type { Actor } from '@symbolon/kernel';

/**
 * Whether an active policy names one of these operations. A policy asks about one operation at a time, with its context,
 * size and classification; so where one may apply, a batch is refused as a whole and nothing of it is done.
 */
export async function isGated(
  commands: Pick<Commands, 'held'>,
  profileId: string,
  actor: Actor,
  ...operations: readonly PolicyEventId[]
): Promise<boolean> {
  const held = await Promise.all(operations.map((operation) => commands.held(profileId, operation, actor)));
  return held.includes(true);
}
