import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { uuid7 } from '@symbolon/crypto';
import { type Session, Sessions } from '@symbolon/http';
import { Clock, millisOf } from '@symbolon/kernel';
import { type Channel, ChannelHub, type Message } from './channel-hub';

const commentEvery = 15_000;
const watchEvery = 1000;
const maxBuffered = 16 * 1024 * 1024;

interface Opened {
  readonly channel: Channel;
  readonly session: Session;
  readonly token: string;
  readonly response: ServerResponse;
  spokenAt: number;
  ending: boolean;
}

export interface Opening {
  readonly session: Session;
  readonly token: string;
  readonly progress: boolean;
  readonly lastEventId: string | null;
}

/** Event streams (contract, section 12): the messages of the WebSocket as server-sent events. */
@Injectable()
export class EventStreams {
  private readonly streams = new Set<Opened>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly hub: ChannelHub,
    private readonly sessions: Sessions,
    private readonly clock: Clock,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.watch(), watchEvery);
  }

  stop(): void {
    clearInterval(this.timer);
    for (const stream of [...this.streams]) this.end(stream);
  }

  /** Throws `TooManyChannels` before `begin`, which answers the response to write to. */
  open({ session, token, progress, lastEventId }: Opening, begin: () => ServerResponse): void {
    let stream: Opened | null = null;
    const channel: Channel = {
      channelId: uuid7(),
      profileId: session.profileId,
      applicationId: session.applicationId ?? null,
      progress,
      send: (message) => {
        if (stream) this.write(stream, frameOf(message));
      },
    };
    this.hub.join(channel);
    const response = begin();
    const opened = { channel, session, token, response, spokenAt: this.clock.millis(), ending: false };
    stream = opened;
    this.streams.add(opened);
    response.once('close', () => this.forget(opened));
    response.on('error', () => response.destroy());
    response.flushHeaders();
    this.hub.replay(channel, lastEventId);
    // The client may have gone while its token was looked at.
    if (response.destroyed) this.forget(opened);
  }

  private write(stream: Opened, text: string): void {
    const { response } = stream;
    // A client that does not read must not fill our memory.
    if (response.writableLength > maxBuffered) return void response.destroy();
    stream.spokenAt = this.clock.millis();
    if (!response.writableEnded) response.write(text);
  }

  /** Says something now and then, so that nobody in between takes the silence for an end; ends streams with their token. */
  private async watch(): Promise<void> {
    const now = this.clock.millis();
    await Promise.all(
      [...this.streams].map(async (stream) => {
        if (now - stream.spokenAt >= commentEvery) this.write(stream, ':\n\n');
        const { token, session, channel } = stream;
        const over = await this.sessions.find(token).then(
          (found) => found === null,
          () => millisOf(session.expiresAt) <= now,
        );
        if (!over || stream.ending) return;
        stream.ending = true;
        const end = () => this.end(stream);
        this.hub.toldEverything(channel.profileId).then(end, end);
      }),
    );
  }

  private end(stream: Opened): void {
    this.forget(stream);
    stream.response.end();
  }

  private forget(stream: Opened): void {
    this.hub.leave(stream.channel);
    this.streams.delete(stream);
  }
}

/** JSON has no line breaks outside of its texts, where they are escaped: one line of data does. */
function frameOf({ id, type, text }: Message): string {
  return `event: ${type}\nid: ${id}\ndata: ${text}\n\n`;
}
