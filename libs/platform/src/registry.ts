import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Recorded } from '@symbolon/kernel';
import type { Projection, Reactor } from '@symbolon/projection';
import type { ServiceName } from '@symbolon/settings';

/** Messages for the channels of a profile (contract, section 5), in the order in which they are to be sent. */
export interface ChannelMessages {
  readonly profileId: string;
  /** Held back until the HTTP answer of this command was flushed; null = at once. */
  readonly commandId: string | null;
  /** Null = for every channel; else only for those joined with a token of this application, and the profile's own. */
  readonly applicationId?: string | null;
  readonly messages: readonly object[];
}

/** When a device was last heard of (contract, section 16.4). */
export interface LastSeen {
  readonly online: boolean;
  readonly lastSeenAt: string | null;
}

export type PresenceSource = (deviceIdentifiers: readonly string[]) => Promise<ReadonlyMap<string, LastSeen>>;

/** Takes over a connection that asks to become a WebSocket. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export type MessageProducer = (event: Recorded) => Promise<ChannelMessages | null>;

/** What devices are to be told: those of a profile that hold its data, of one token, or these. */
export interface DeviceErrand {
  readonly profileId: string;
  readonly tokenId?: string;
  readonly deviceIdentifiers?: readonly string[];
}

/** What this process is: all of Symbolon, the gateway before separate services, or one of these. */
export type Part = 'whole' | 'gateway' | ServiceName;

type Loop = { start(): void | Promise<void>; stop(): void | Promise<void> };

/**
 * What the contexts of this process bring; filled while their modules initialise, started afterwards. A gateway carries
 * the contexts for what they show (sessions, results, messages): what they do runs in their own processes.
 */
export class Registry {
  private readonly allProjections: Projection[] = [];
  private readonly allReactors: Reactor[] = [];
  private readonly producers = new Map<string, { category: string; producer: MessageProducer }>();
  private readonly keepers: Array<(parcelIds: readonly string[]) => Promise<ReadonlySet<string>>> = [];
  private readonly upgrades = new Map<string, UpgradeHandler>();
  private readonly contextLoops: Loop[] = [];
  private readonly edgeLoops: Loop[] = [];
  private readonly dependencies = new Map<string, () => Promise<unknown>>();
  private carrierCheck: (errand: DeviceErrand) => Promise<void> = () => Promise.resolve();
  private presenceSource: PresenceSource = () => Promise.resolve(new Map());

  constructor(readonly part: Part = 'whole') {}

  /** Something that `/health` shows by this name; `check` rejects while it is away. */
  dependency(name: string, check: () => Promise<unknown>): void {
    this.dependencies.set(name, check);
  }

  /** Who knows which devices can be told something. */
  carriers(check: (errand: DeviceErrand) => Promise<void>): void {
    this.carrierCheck = check;
  }

  /** Throws `Unavailable` where none of the devices that a command addresses could be told: nothing is recorded then. */
  requireCarrier(errand: DeviceErrand): Promise<void> {
    return this.carrierCheck(errand);
  }

  projections(...projections: readonly Projection[]): void {
    this.allProjections.push(...projections);
  }

  reactors(...reactors: readonly Reactor[]): void {
    this.allReactors.push(...reactors);
  }

  /** Something that runs while the process serves, started after and stopped before projections and reactors. */
  loop(loop: Loop): void {
    this.contextLoops.push(loop);
  }

  /** The same for what serves clients, wherever they are served. */
  edgeLoop(loop: Loop): void {
    this.edgeLoops.push(loop);
  }

  /** Who knows which devices are there. */
  presence(source: PresenceSource): void {
    this.presenceSource = source;
  }

  /** Nothing is known of any device where nobody talks to them. */
  seen: PresenceSource = (deviceIdentifiers) => this.presenceSource(deviceIdentifiers);

  /** What clients are told when an event of this type was stored. */
  message(eventType: string, category: string, producer: MessageProducer): void {
    this.producers.set(eventType, { category, producer });
  }

  /** Answers which of these parcels are still needed; what nobody keeps is swept. */
  keepParcels(keep: (parcelIds: readonly string[]) => Promise<ReadonlySet<string>>): void {
    this.keepers.push(keep);
  }

  /** Who serves WebSockets on a path. */
  upgrade(path: string, handler: UpgradeHandler): void {
    this.upgrades.set(path, handler);
  }

  contents() {
    const works = this.part !== 'gateway';
    return {
      projections: works ? this.allProjections : [],
      reactors: works ? this.allReactors : [],
      loops: works ? [...this.contextLoops, ...this.edgeLoops] : this.edgeLoops,
      producers: this.producers,
      keepers: this.keepers,
      upgrades: this.upgrades,
      // A gateway asks the services whether they are well.
      dependencies: works ? this.dependencies : new Map<string, () => Promise<unknown>>(),
    } as const;
  }
}
