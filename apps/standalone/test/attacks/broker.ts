import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Envelope, subprotocol } from '@symbolon/device-link';
import { WebSocket, WebSocketServer } from 'ws';

type Frame = Envelope & { readonly ack?: string };
type Side = 'device' | 'server';

/** Stands between a device and the server's channel: sees, keeps, holds back and invents what either side gets. */
export class Broker {
  /** Every message that passed, by whom it was for. */
  readonly seen: Record<Side, Envelope[]> = { device: [], server: [] };
  /** False: the message is not passed on. */
  passes: (envelope: Envelope, to: Side) => boolean = () => true;
  private readonly acks: Record<Side, string[]> = { device: [], server: [] };
  /** What it invented: the other side must not hear of the answers' acks. */
  private readonly invented = new Set<string>();
  private readonly ends: Partial<Record<Side, WebSocket>> = {};
  private readonly wakers = new Set<() => void>();

  private constructor(
    private readonly server: Server,
    private readonly sockets: WebSocketServer,
  ) {}

  static async before(channelUrl: string): Promise<Broker> {
    const server = createServer();
    const broker = new Broker(server, new WebSocketServer({ server }));
    broker.sockets.on('connection', (device, { headers }) => {
      const far = new WebSocket(channelUrl, [subprotocol], { headers: { authorization: headers.authorization! } });
      broker.join(device, far);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return broker;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/device-channel`;
  }

  /** Sends a frame as if it came from the other side; resolves once it was confirmed. */
  async say(to: Side, envelope: Envelope): Promise<void> {
    this.invented.add(envelope.id);
    const confirmed = () => this.acks[to].filter((id) => id === envelope.id).length;
    const before = confirmed();
    const end = await this.until(() => (this.ends[to]?.readyState === WebSocket.OPEN ? this.ends[to] : undefined));
    end.send(JSON.stringify(envelope));
    await this.until(() => confirmed() > before || undefined);
  }

  /** The first message to a side that fits, waited for. */
  message(to: Side, fits: (envelope: Envelope) => boolean): Promise<Envelope> {
    return this.until(() => this.seen[to].find(fits));
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.clients) socket.terminate();
    this.ends.server?.terminate();
    this.sockets.close();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(device: WebSocket, far: WebSocket): void {
    const early: string[] = [];
    this.ends.device = device;
    this.ends.server = far;
    far.on('open', () => {
      for (const text of early.splice(0)) far.send(text);
      this.wake();
    });
    device.on('message', (data) =>
      this.pass('server', String(data), (text) =>
        far.readyState === WebSocket.OPEN ? far.send(text) : early.push(text),
      ),
    );
    far.on('message', (data) => this.pass('device', String(data), (text) => device.send(text)));
    for (const [one, other] of [
      [device, far],
      [far, device],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', (code) => other.close(code >= 4000 ? code : 1000));
    }
  }

  private pass(to: Side, text: string, send: (text: string) => void): void {
    const frame = JSON.parse(text) as Frame;
    if (frame.ack !== undefined) {
      // Confirmations go the way back: those for the server come from the device.
      const from: Side = to === 'server' ? 'device' : 'server';
      this.acks[from].push(frame.ack);
      if (!this.invented.has(frame.ack)) send(text);
    } else {
      this.seen[to].push(frame);
      if (this.passes(frame, to)) send(text);
    }
    this.wake();
  }

  private wake(): void {
    for (const wake of this.wakers) wake();
  }

  private async until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.wakers.delete(wake);
          resolve();
        };
        this.wakers.add(wake);
      });
    }
  }
}
