import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { uuid7 } from '@symbolon/crypto';
import { SystemClock } from '@symbolon/kernel';
import { WebSocket } from 'ws';
import type { Envelope } from './device-link';
import { deviceLinkContract, type FarEnd } from './device-link.contract';
import {
  channelPath,
  subprotocol,
  WebSocketDeviceLink,
  type WebSocketDeviceLinkOptions,
} from './web-socket-device-link';

const secret = 'a secret: with a colon';
const log = { warn: () => undefined };

/** In these tests a device's client id is its identifier. */
class Channel {
  readonly revoked = new Set<string>();

  private constructor(
    readonly link: WebSocketDeviceLink,
    private readonly server: Server,
    revoked: Set<string>,
  ) {
    this.revoked = revoked;
  }

  static async open(timing: WebSocketDeviceLinkOptions['timing'] = {}): Promise<Channel> {
    const revoked = new Set<string>();
    const verify = async (clientId: string, given: string) =>
      given === secret && !revoked.has(clientId) ? clientId : null;
    const link = new WebSocketDeviceLink({ credentials: { verify }, clock: new SystemClock(), log, timing });
    const server = createServer();
    link.attach(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Channel(link, server, revoked);
  }

  socket(clientId: string, given = secret, protocols: string[] = [subprotocol], path = channelPath): WebSocket {
    const authorization = `Basic ${Buffer.from(`${clientId}:${given}`).toString('base64')}`;
    const { port } = this.server.address() as AddressInfo;
    return new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers: { authorization } });
  }

  async connect(clientId: string): Promise<Client> {
    const client = new Client(this.socket(clientId));
    await client.opened;
    return client;
  }

  async close(): Promise<void> {
    await this.link.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

class Client implements FarEnd {
  readonly opened: Promise<void>;
  readonly closed: Promise<number>;
  private readonly envelopes: Envelope[] = [];
  private readonly acks = new Set<string>();
  private wake: Array<() => void> = [];

  constructor(readonly socket: WebSocket) {
    this.opened = new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    this.opened.catch(() => undefined);
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Envelope & { ack?: string };
      if (frame.ack) this.acks.add(frame.ack);
      else this.envelopes.push(frame);
      for (const wake of this.wake.splice(0)) wake();
    });
  }

  async next(): Promise<Envelope> {
    await this.until(() => this.envelopes.length > 0);
    return this.envelopes.shift()!;
  }

  confirm(id: string): void {
    this.socket.send(JSON.stringify({ ack: id }));
  }

  send(envelope: Envelope): void {
    this.sendText(JSON.stringify(envelope));
  }

  sendText(text: string): void {
    this.socket.send(text);
  }

  confirmed(id: string): Promise<void> {
    return this.until(() => this.acks.has(id));
  }

  get unread(): number {
    return this.envelopes.length;
  }

  async vanish(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.wake.push(resolve));
  }
}

deviceLinkContract('WebSocket', () => Channel.open());

describe('the WebSocket carrier', () => {
  let channel: Channel;
  const deviceIdentifier = uuid7();
  const start = async (timing?: WebSocketDeviceLinkOptions['timing']) => (channel = await Channel.open(timing));
  afterEach(() => channel.close());

  const envelope = (type = 'storage.write'): Envelope => ({
    v: 1,
    id: uuid7(),
    type,
    deviceIdentifier,
    correlationId: null,
    at: '2026-02-21T15:33:44.123+00:00',
    body: {},
  });
  const refusal = (socket: WebSocket) =>
    new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      socket.once('open', () => reject(new Error('was let in')));
      socket.once('unexpected-response', (_, response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode, body }));
      });
    });

  it.each([
    ['a wrong secret', (open: Channel) => open.socket(deviceIdentifier, 'guess')],
    ['an unknown client', (open: Channel) => open.socket('', secret).on('error', () => undefined)],
  ])('answers %s with the one 401 before the upgrade', async (_, connect) => {
    await start();
    channel.revoked.add('');
    const { status, body } = await refusal(connect(channel));
    expect(status).toBe(401);
    expect(body).toBe(
      '{"type":"urn:symbolon:problem:unauthorized","title":"Unauthorized","status":401,"detail":"The request carries no valid credentials.","code":"unauthorized"}',
    );
  });

  it('answers 401 without credentials, whatever their form', async () => {
    await start();
    for (const authorization of [
      '',
      'Basic',
      'Basic !!!',
      'Bearer x',
      `Basic ${Buffer.from('no colon').toString('base64')}`,
    ]) {
      const url = channel.socket(deviceIdentifier).on('error', () => undefined).url;
      const { status } = await refusal(new WebSocket(url, [subprotocol], { headers: { authorization } }));
      expect(status).toBe(401);
    }
  });

  it('refuses other subprotocols', async () => {
    await start();
    expect((await refusal(channel.socket(deviceIdentifier, secret, ['mqtt']))).status).toBe(400);
    expect((await channel.connect(deviceIdentifier)).socket.protocol).toBe(subprotocol);
  });

  it('does not let in whoever lost his credentials during the handshake', async () => {
    await start();
    let checks = 0;
    const verify = async () => (++checks === 1 ? deviceIdentifier : null);
    const link = new WebSocketDeviceLink({ credentials: { verify }, clock: new SystemClock(), log });
    const server = createServer((_, response) => response.end());
    link.attach(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const authorization = `Basic ${Buffer.from('a:b').toString('base64')}`;
    const client = new Client(
      new WebSocket(`ws://127.0.0.1:${port}${channelPath}`, [subprotocol], { headers: { authorization } }),
    );
    expect(await client.closed).toBe(4401);
    await link.close();
    server.close();
  });

  it('counts an envelope as waiting until the device has confirmed it, and as lost with the connection', async () => {
    await start();
    const device = await channel.connect(deviceIdentifier);
    const told: string[] = [];
    channel.link.onConnected((id) => told.push(id));
    const sent = envelope();
    const outcome = channel.link.send(sent);
    await device.next();
    expect(channel.link.waiting(deviceIdentifier)).toBe(1);
    expect(channel.link.connected()).toEqual([deviceIdentifier]);
    await device.vanish();
    expect(await outcome).toBe('offline');
    await channel.connect(deviceIdentifier);
    expect(told).toEqual([deviceIdentifier]);
  });

  it('replaces the connection of a device by a newer one', async () => {
    await start();
    const first = await channel.connect(deviceIdentifier);
    const second = await channel.connect(deviceIdentifier);
    expect(await first.closed).toBe(4409);
    const sent = envelope();
    const outcome = channel.link.send(sent);
    expect((await second.next()).id).toBe(sent.id);
    second.confirm(sent.id);
    expect(await outcome).toBe('confirmed');
  });

  it('closes with 4401 when told to, and forgets what it kept', async () => {
    await start();
    const client = await channel.connect(deviceIdentifier);
    const kept = channel.link.send(envelope(), { keep: true });
    channel.link.disconnect(deviceIdentifier, 4401);
    expect(await client.closed).toBe(4401);
    expect(await kept).toBe('offline');
    expect(channel.link.connected()).toEqual([]);
  });

  it('ends with 1001 when the server stops, also where a device does not answer', async () => {
    await start();
    const [polite, dead] = [await channel.connect(deviceIdentifier), await channel.connect(uuid7())];
    dead.socket.pause();
    await channel.link.close();
    expect(await polite.closed).toBe(1001);
    expect(await refusal(channel.socket(deviceIdentifier))).toMatchObject({ status: 503 });
  });

  it('closes with 1009 after a frame over 256 KiB and takes one of exactly that size', async () => {
    await start();
    channel.link.receive(async () => undefined);
    const client = await channel.connect(deviceIdentifier);
    const fits = { ...envelope(), fill: '' };
    fits.fill = 'x'.repeat(262_144 - JSON.stringify(fits).length);
    client.send(fits);
    await client.confirmed(fits.id);
    client.send({ ...fits, fill: `${fits.fill}x` } as Envelope);
    expect(await client.closed).toBe(1009);
  });

  it('closes with 4408 after silence', async () => {
    await start({ silence: 60, ping: 10_000 });
    const client = await channel.connect(deviceIdentifier);
    expect(await client.closed).toBe(4408);
  });

  it('pings, and not again while a ping waits', async () => {
    await start({ ping: 20, resend: 10_000 });
    const client = await channel.connect(deviceIdentifier);
    const ping = await client.next();
    expect(ping).toMatchObject({ v: 1, type: 'device.ping', deviceIdentifier, correlationId: null, body: {} });
    const sent = envelope();
    void channel.link.send(sent);
    expect((await client.next()).id).toBe(sent.id);
    client.confirm(ping.id);
    const next = await client.next();
    expect(next.type).toBe('device.ping');
    expect(next.id).not.toBe(ping.id);
  });

  it('sends again what was not acked, until it is', async () => {
    await start({ resend: 30 });
    const client = await channel.connect(deviceIdentifier);
    const sent = envelope();
    const outcome = channel.link.send(sent);
    for (let times = 0; times < 3; times++) expect((await client.next()).id).toBe(sent.id);
    client.confirm(sent.id);
    expect(await outcome).toBe('confirmed');
  });

  it('sends a newer text under the same id in place of the earlier one', async () => {
    await start();
    const client = await channel.connect(deviceIdentifier);
    const sent = envelope();
    const outcomes = [channel.link.send(sent), channel.link.send({ ...sent, body: { newer: true } })];
    expect((await client.next()).body).toEqual({});
    expect((await client.next()).body).toEqual({ newer: true });
    expect(channel.link.waiting(deviceIdentifier)).toBe(1);
    client.confirm(sent.id);
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed']);
  });

  it('has at most 100 envelopes on the way', async () => {
    await start();
    const client = await channel.connect(deviceIdentifier);
    const sent = Array.from({ length: 101 }, () => envelope());
    const outcomes = sent.map((one) => channel.link.send(one));
    const first = await client.next();
    for (let more = 1; more < 100; more++) await client.next();
    const marker = envelope('device.ping');
    channel.link.receive(async () => undefined);
    client.send(marker);
    await client.confirmed(marker.id); // frames come in order: a 101st would have come before
    expect(client.unread).toBe(0);
    client.confirm(first.id);
    expect((await client.next()).id).toBe(sent[100]!.id);
    for (const one of sent) client.confirm(one.id);
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['confirmed']));
  });

  it('takes 100 of a device at a time, however many it sends, and all of them in the end', async () => {
    await start();
    const stored: Array<() => void> = [];
    channel.link.receive(() => new Promise((resolve) => stored.push(resolve)));
    const client = await channel.connect(deviceIdentifier);
    const sent = Array.from({ length: 250 }, () => envelope());
    for (const one of sent) client.send(one);
    for (let taken = 0; taken < sent.length; taken++) {
      while (stored.length <= taken) await new Promise((resolve) => setTimeout(resolve, 5));
      // Nothing is confirmed before it is stored: so many are being stored now.
      expect(stored.length - taken).toBeLessThanOrEqual(100);
      stored[taken]!();
    }
    for (const { id } of sent) await client.confirmed(id);
  });

  it('outlives garbage', async () => {
    await start();
    const heard: unknown[] = [];
    channel.link.receive(async (_, message) => void heard.push(message));
    const client = await channel.connect(deviceIdentifier);
    for (const garbage of ['', '{', 'null', '[]', '{"ack":7}', '{"ack":"unknown"}', '{"id":{}}', '"text"']) {
      client.socket.send(garbage);
    }
    client.socket.send(Buffer.from([0, 255, 1]));
    const sent = envelope();
    client.send(sent);
    await client.confirmed(sent.id);
    expect(heard).toEqual([undefined, undefined, null, [], { ack: 7 }, { id: {} }, 'text', undefined, sent]);
  });
});
