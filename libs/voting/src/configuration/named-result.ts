import type { Cause, EventStore } from '@symbolon/kernel';

/** Id and name of the configuration that a command has changed, which may be gone since. */
export async function changedBy(
  { causationId }: Cause,
  store: EventStore,
  profileId: string,
): Promise<{ id: string; name: string }> {
  const names = new Map<string, string>();
  for await (const { type, data, meta } of store.read(`voting-${profileId}`)) {
    const { id, name } = data as { id: string; name?: string };
    if (type === 'voting_configuration.registered' && name !== undefined) names.set(id, name);
    if (meta.causationId === causationId) return { id, name: names.get(id) ?? '' };
  }
  throw new Error(`nothing was changed by ${causationId}`);
}
