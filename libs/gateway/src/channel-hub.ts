import { Inject, Injectable } from '@nestjs/common';
import type { CommandAccepted, PollCreated, ProfileDeleted } from '@symbolon/contracts';
import { type CommandStatus, Commands, CommandStatuses, isFinalStatus } from '@symbolon/command-log';
import { uuid5 } from '@symbolon/crypto';
import { statusNumber } from '@symbolon/http';
import { Clock, EventStore, millisOf, type Recorded } from '@symbolon/kernel';
import { Progress, type ProgressReport, Registry } from '@symbolon/platform';
import { Logger } from '@symbolon/observe';
import { ProjectionRunner } from '@symbolon/projection';
import { Settings } from '@symbolon/settings';

/** What clients are told. */
export interface Message {
  /** Derived from what is told, so that every process and every repetition gives it the same. */
  readonly id: string;
  readonly type: string;
  /** JSON, as the WebSocket carries it. */
  readonly text: string;
}

/** One joined client. */
export interface Channel {
  readonly channelId: string;
  readonly profileId: string;
  readonly applicationId: string | null;
  readonly progress: boolean;
  send(message: Message): void;
}

interface Entry {
  readonly at: number;
  readonly applicationId: string | null;
  readonly message: Message;
  /** Not told again; kept to know what followed it. */
  readonly progress: boolean;
}

const remembered = 60_000;
const perProfile = 50;
const maxHeldForAnswer = 35_000;
const pauseBetweenTries = 500;
const pauseBetweenLooks = 50;
/** Milliseconds that reading the log may lag before a channel is closed all the same. */
const longestLag = 5000;

interface Told {
  readonly profileId: string;
  readonly applicationId?: string | null;
  readonly messages: readonly object[];
  /** Only for channels that asked for progress, and not for those who join later. */
  readonly progress?: boolean;
}

export class TooManyChannels extends Error {}

/**
 * Tells the channels of a profile what the log says. Follows the log itself, from 60 seconds back, so every process can
 * serve every client; keeps the last 60 seconds for those who join late.
 */
@Injectable()
export class ChannelHub {
  private readonly channels = new Map<string, Set<Channel>>();
  private readonly recent = new Map<string, Entry[]>();
  private readonly turns = new Map<string, Promise<void>>();
  private readonly stopping = new AbortController();
  /** Channels that asked for progress. */
  private followed = 0;
  private following: Promise<void> | null = null;
  /** What clients were told up to. */
  private cursor: string | null = null;
  /** How far the log was read, whether it held anything to tell or not. */
  private seen: string | null = null;
  /** Profiles that are deleted, by the command whose end their channels are still to be told. */
  private readonly farewells = new Map<string, string>();
  private sweeper: NodeJS.Timeout | undefined;
  private unlisten: () => void = () => undefined;

  constructor(
    private readonly store: EventStore,
    private readonly statuses: CommandStatuses,
    private readonly commands: Commands,
    private readonly registry: Registry,
    private readonly clock: Clock,
    @Inject(ProjectionRunner) private readonly projections: Pick<ProjectionRunner, 'passed'>,
    private readonly settings: Settings,
    private readonly log: Logger,
    private readonly progress: Progress,
  ) {}

  start(): void {
    this.unlisten = this.progress.listen((report) => this.advanced(report));
    this.following = this.keepFollowing();
    this.sweeper = setInterval(() => this.sweep(), 10_000);
    this.sweeper.unref();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.sweeper);
    this.unlisten();
    await this.following;
  }

  /** Adds the channel and gives it the messages of the last 60 seconds, in order. */
  join(channel: Channel): void {
    const joined = this.channels.get(channel.profileId) ?? new Set();
    if (joined.size >= perProfile) throw new TooManyChannels();
    this.channels.set(channel.profileId, joined.add(channel));
    if (channel.progress) this.followed++;
  }

  /** `after`: the id of the last message that the client has; of an unknown one nothing is known to have come. */
  replay(channel: Channel, after: string | null = null): void {
    const since = this.clock.millis() - remembered;
    const entries = this.recent.get(channel.profileId) ?? [];
    const known = after === null ? -1 : entries.findLastIndex(({ message }) => message.id === after);
    for (const entry of entries.slice(known + 1)) {
      if (entry.at < since || entry.progress) continue;
      if (concerns(channel, entry.applicationId)) channel.send(entry.message);
    }
  }

  leave(channel: Channel): void {
    const joined = this.channels.get(channel.profileId);
    if (joined?.delete(channel) && channel.progress) this.followed--;
    if (joined?.size === 0) this.channels.delete(channel.profileId);
  }

  /** Whatever ends the reading of the log, clients go on being told. */
  private async keepFollowing(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.follow();
      } catch (error) {
        this.log.warn({ error }, 'messages to clients pause: the log cannot be read');
        await new Promise<void>((resolve) => setTimeout(resolve, pauseBetweenTries));
      }
    }
  }

  private async follow(): Promise<void> {
    const { producers } = this.registry.contents();
    const categories = [
      ...new Set(['command', 'poll', 'profile', ...[...producers.values()].map(({ category }) => category)]),
    ];
    const { signal } = this.stopping;
    const { cursor } = this;
    const tail = cursor ?? (await this.store.tail());
    const from = cursor ?? (await this.start60SecondsBack());
    // Age matters for what was there before the start; what comes afterwards is told whatever the clocks say.
    let caughtUp = tail === from;
    for await (const batch of this.store.follow(categories, from, signal)) {
      const events = caughtUp ? batch.events : batch.events.filter((event) => this.isRecent(event));
      caughtUp ||= tail !== null && this.store.reached(batch.cursor, tail);
      if (events.length > 0) {
        await this.projections.passed(batch.cursor);
        for (const event of events) this.tell(event);
        this.cursor = batch.cursor;
      }
      this.seen = batch.cursor;
    }
  }

  /**
   * Resolves when the profile's channels have been told what the log holds, and how the command ended by which it is
   * deleted: only then is a channel closed whose authorization ended.
   */
  async toldEverything(profileId: string): Promise<void> {
    const tail = await this.store.tail();
    const begun = performance.now();
    const isWaiting = (): boolean => {
      const waited = performance.now() - begun;
      const behind = tail !== null && !this.store.reached(this.seen, tail) && waited < longestLag;
      return behind || (this.farewells.has(profileId) && waited < maxHeldForAnswer);
    };
    while (isWaiting() && !this.stopping.signal.aborted) {
      await new Promise<void>((resolve) => setTimeout(resolve, pauseBetweenLooks));
    }
  }

  private isRecent({ recordedAt }: Recorded): boolean {
    return this.clock.millis() - millisOf(recordedAt) < remembered;
  }

  /** A restart loses no message of the last 60 seconds. */
  private start60SecondsBack(): Promise<string | null> {
    return this.store.since(this.clock.after(-remembered / 1000));
  }

  private tell(event: Recorded): void {
    if (event.type === 'profile.deleted') {
      const { commandId } = event.meta;
      if (commandId !== null) this.farewells.set((event.data as ProfileDeleted['data']).profileId, commandId);
      return;
    }
    if (event.type === 'command.accepted') {
      const { commandId, profileId, partOf } = event.data as CommandAccepted['data'];
      if (profileId === null || partOf !== null || !this.anyFollows(profileId)) return;
      const applicationId = event.meta.actor.applicationId ?? null;
      const told: Told = { profileId, applicationId, messages: [pendingMessage(commandId, 'started')], progress: true };
      this.inTurn(commandId, event.id, () => Promise.resolve(told));
      return;
    }
    if (event.type === 'poll.created') {
      const { commandId, gated, attempt } = event.data as PollCreated['data'];
      if (commandId === null || !gated || attempt > 1) return;
      this.inTurn(commandId, event.id, () => this.pending(commandId, 'pending_vote'));
      return;
    }
    if (event.type === 'command.succeeded' || event.type === 'command.rejected') {
      const { commandId } = event.data as { commandId: string };
      this.inTurn(commandId, event.id, async () => {
        const status = await this.statuses.find(commandId);
        if (!status || status.partOf !== null || status.profileId === null) return null;
        return { profileId: status.profileId, applicationId: status.applicationId, messages: [endMessage(status)] };
      });
      void this.turns.get(commandId)?.then(() => this.noFarewell(commandId));
      return;
    }
    const produced = this.registry.contents().producers.get(event.type);
    if (produced) this.inTurn(event.meta.commandId, event.id, () => produced.producer(event));
  }

  private noFarewell(commandId: string): void {
    for (const [profileId, awaited] of this.farewells) if (awaited === commandId) this.farewells.delete(profileId);
  }

  private advanced({ commandId, done, total }: ProgressReport): void {
    if (this.followed === 0) return;
    this.inTurn(commandId, commandId, () => this.pending(commandId, { done, total }));
  }

  /** What is said of a command that has not ended, to those who follow its profile's commands. */
  private async pending(commandId: string, body: PendingBody): Promise<Told | null> {
    if (this.followed === 0) return null;
    const status = await this.statuses.find(commandId);
    if (!status || status.partOf !== null || status.profileId === null || isFinalStatus(status.status)) return null;
    const { profileId, applicationId } = status;
    return { profileId, applicationId, messages: [pendingMessage(commandId, body)], progress: true };
  }

  /** Messages of one command go out in the order of the log, none before its HTTP answer was flushed. */
  private inTurn(commandId: string | null, eventId: string, produce: () => Promise<Told | null>): void {
    const key = commandId ?? eventId;
    const turn = (this.turns.get(key) ?? Promise.resolve()).then(async () => {
      const told = await this.insistently(produce);
      if (commandId !== null) await this.untilAnswered(commandId);
      if (told) this.push(told);
    });
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (this.turns.get(key) === settled) {
          this.turns.delete(key);
          if (commandId !== null) this.commands.answers.delete(commandId);
        }
      });
    this.turns.set(key, settled);
  }

  /** An outage of the database must not swallow a message: tries again for as long as a late join could get it. */
  private async insistently(produce: () => Promise<Told | null>): Promise<Told | null> {
    const until = performance.now() + remembered;
    for (;;) {
      try {
        return await produce();
      } catch (error) {
        if (this.stopping.signal.aborted || performance.now() > until) throw error;
        await new Promise<void>((resolve) => setTimeout(resolve, pauseBetweenTries));
      }
    }
  }

  private anyFollows(profileId: string): boolean {
    return [...(this.channels.get(profileId) ?? [])].some(({ progress }) => progress);
  }

  private async untilAnswered(commandId: string): Promise<void> {
    const answered = this.commands.answers.get(commandId);
    if (!answered) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([answered, new Promise<void>((resolve) => (timer = setTimeout(resolve, maxHeldForAnswer)))]);
    clearTimeout(timer);
    await new Promise<void>((resolve) => setTimeout(resolve, this.settings.wsAckDelayMs));
    this.commands.answers.delete(commandId);
  }

  private push({ profileId, applicationId = null, messages, progress = false }: Told): void {
    const entries = this.recent.get(profileId) ?? [];
    this.recent.set(profileId, entries);
    for (const object of messages) {
      const message = messageOf(object);
      entries.push({ at: this.clock.millis(), applicationId, message, progress });
      for (const channel of this.channels.get(profileId) ?? []) {
        if (concerns(channel, applicationId) && (channel.progress || !progress)) channel.send(message);
      }
    }
  }

  private sweep(): void {
    const since = this.clock.millis() - remembered;
    for (const [profileId, entries] of this.recent) {
      const kept = entries.filter(({ at }) => at >= since);
      if (kept.length === 0) this.recent.delete(profileId);
      else this.recent.set(profileId, kept);
    }
  }
}

/** A channel of an application gets only messages of that application's commands. */
function concerns(channel: Channel, applicationId: string | null): boolean {
  return channel.applicationId === null || channel.applicationId === applicationId;
}

function messageOf(object: object): Message {
  const text = JSON.stringify(object);
  const { type, id, command_status } = (object as { data: { type: string; id: string; command_status?: number } }).data;
  // The same pair of type and id is told once, but for commands that have not ended.
  return { type, text, id: uuid5(command_status === statusNumber('started') ? text : `${type} ${id}`) };
}

type PendingBody = 'started' | 'pending_vote' | { readonly done: number; readonly total: number };

function pendingMessage(commandId: string, body: PendingBody): object {
  return { data: { type: 'X-DPT-CAB-ID', id: commandId, command_status: statusNumber('started'), body } };
}

function endMessage({ commandId, status, body, reason }: CommandStatus): object {
  return {
    data: {
      type: 'X-DPT-CAB-ID',
      id: commandId,
      command_status: statusNumber(status),
      body: status === 'rejected' ? reason : body,
    },
  };
}
