import { activePolicies, type DeviceRegistrationRequested, type Held, policies } from '@symbolon/contracts';
import type { Actor, EventStore, Guard, Streams } from '@symbolon/kernel';

/** What active policies of a profile name, as of one revision of `policies-<profileId>` (-1: no stream). */
interface Standing {
  readonly revision: bigint;
  readonly events: ReadonlySet<string>;
}

const none: Standing = { revision: -1n, events: new Set() };
/** Profiles and devices that are remembered; the oldest give way. */
const most = 20_000;

export interface Verdict {
  /** Null: no active policy names the operation. */
  readonly held: Held | null;
  /** Under which the verdict may be written down; absent where the store keeps no guards. */
  readonly guard?: Guard;
}

/**
 * Says which commands have to wait for policies. What it remembers may be old: whatever it lets pass is appended under a
 * guard on the policies' stream, so that an activation is final for every process at once, also for those that have not
 * heard of it. A profile without policies costs no look: nothing is remembered of it, and the guard proves it right.
 */
export class Gatekeeper {
  private readonly standings = new Map<string, Standing>();
  private readonly owners = new Map<string, string>();

  constructor(
    private readonly store: Pick<EventStore, 'read'>,
    private readonly streams: Pick<Streams, 'load' | 'guards'>,
  ) {}

  /** Whose policies judge what this actor does: a device's own actions are its owner's to judge. */
  async judgeOf(profileId: string, actor?: Actor): Promise<string> {
    if (actor?.kind !== 'device' || actor.deviceIdentifier !== profileId) return profileId;
    const known = this.owners.get(profileId);
    if (known !== undefined) return known;
    for await (const event of this.store.read(`device-${profileId}`)) {
      if (event.type !== 'device.registration_requested') continue;
      const { ownerProfileId } = event.data as DeviceRegistrationRequested['data'];
      remember(this.owners, profileId, ownerProfileId);
      return ownerProfileId;
    }
    throw new Error(`the device ${profileId} has no owner whose policies could judge it`);
  }

  /** By what is remembered; without guards nothing that is remembered may let a command pass. */
  judge(policyEventId: string, profileId: string): Verdict {
    if (!this.streams.guards) return { held: { policyEventId, profileId, revision: null } };
    const { revision, events } = this.standings.get(profileId) ?? none;
    const held = events.has(policyEventId) ? { policyEventId, profileId, revision: Number(revision) } : null;
    const guard = { stream: `${policies.category}-${profileId}`, revision: revision < 0n ? 'none' : revision } as const;
    return { held, guard };
  }

  /** Reads what the policies are now. */
  async refresh(profileId: string): Promise<ReadonlySet<string>> {
    const { state, revision } = await this.streams.load(policies, profileId);
    const events = new Set(activePolicies(state).flatMap(({ applyingEventIds }) => applyingEventIds));
    if (revision < 0n) this.standings.delete(profileId);
    else remember(this.standings, profileId, { revision, events });
    return events;
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}
