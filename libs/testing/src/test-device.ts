import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { envelopeInfo } from '@symbolon/contracts';
import {
  generateEd25519,
  generateKeyPair,
  importX25519Private,
  openMessage,
  openStreamFrom,
  parsePublicKey,
  sealMessage,
  sealStreamTo,
  sha256Hex,
  signEnvelope,
  signStatement,
  uuid7,
  verifyEnvelope,
} from '@symbolon/crypto';
import { type Envelope, subprotocol } from '@symbolon/device-link';
import { instant } from '@symbolon/kernel';
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { WebSocket } from 'ws';
import type { TestClient, TestProfile } from './test-client';

// What a test reads of an opened message has the shape of section 16.3.
type Content = any;

type PrivateKey = ReturnType<typeof importX25519Private>;

export interface Taken {
  readonly envelope: Envelope;
  readonly content: Content;
}

interface Stored {
  readonly version: number;
  readonly bytes: Buffer;
}

interface VoteOptions {
  readonly comment?: string | null;
  readonly change?: object;
  readonly envelope?: Partial<Envelope>;
}

type Behaviour = (taken: Taken) => Promise<void> | void;

/** A device for tests: speaks section 16 with the keys and credentials of a real one, and behaves as it is told. */
export class TestDevice {
  readonly objects = new Map<string, Stored[]>();
  /** Every message that came, also repeated ones. */
  readonly taken: Taken[] = [];
  readonly acks = new Set<string>();
  closeCode: number | null = null;
  private socket: WebSocket | null = null;
  private broker: { readonly connection: ChannelModel; readonly channel: ConfirmChannel } | null = null;
  private wakers: Array<() => void> = [];
  /** Whether messages are acked before they are looked at. */
  acking = true;
  readonly behaviour: Record<string, Behaviour> = {
    'storage.write': (taken) => this.store(taken),
    'storage.read': (taken) => this.giveBack(taken),
    'storage.delete': (taken) => this.remove(taken),
    'storage.inventory': (taken) => this.listObjects(taken),
  };

  private constructor(
    readonly deviceIdentifier: string,
    readonly configuration: Record<string, string>,
    private readonly privateKey: PrivateKey,
    private readonly signingKey: PrivateKey | null,
    private readonly serverKey: string,
  ) {}

  /** Registers, approves and configures a device of the profile and makes it a storage device. */
  static async of(
    server: TestClient,
    { token }: TestProfile,
    { storage = true, signing = true } = {},
  ): Promise<TestDevice> {
    const pair = generateKeyPair();
    const signer = signing ? generateEd25519() : null;
    const fields = { deviceName: 'attic server', publicKey: pair.publicKey, signingKey: signer?.publicKey };
    const { body } = await server.done('/device/request-unique-identifier', fields, token);
    const { deviceIdentifier } = body;
    await server.done('/device/approve-device', { deviceIdentifier }, token);
    const { body: configuration } = await server.get(`/device/retrieve-device-configuration/${deviceIdentifier}`, {
      token,
    });
    if (storage) await server.done('/storage/register', { deviceIdentifier }, token);
    const { body: jwks } = await server.get('/.well-known/jwks.json');
    const serverKey = Buffer.from(jwks.keys[0].x, 'base64url').toString('hex');
    return new TestDevice(
      deviceIdentifier,
      configuration,
      importX25519Private(pair.privateKey),
      signer?.privateKey ?? null,
      serverKey,
    );
  }

  async connect(): Promise<void> {
    const authorization = `Basic ${Buffer.from(`${this.configuration['client-id']}:${this.configuration['client-secret']}`).toString('base64')}`;
    const socket = new WebSocket(this.configuration['channel-url']!, [subprotocol], { headers: { authorization } });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.on('message', (data) => this.hear(String(data)));
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      this.closeCode = code;
      this.wake();
    });
    this.socket = socket;
    this.closeCode = null;
  }

  /** Reads its queue at the broker and answers that way; rejects where the broker does not let it in. */
  async connectByBroker(): Promise<void> {
    const of = (name: string) => this.configuration[`rabbit-${name}`]!;
    const connection = await connect({
      hostname: of('host'),
      port: Number(of('port')),
      vhost: encodeURIComponent(of('vhost')),
      username: of('user'),
      password: of('pass'),
    });
    connection.on('error', () => undefined);
    connection.on('close', () => {
      if (this.broker?.connection === connection) this.broker = null;
      this.wake();
    });
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    this.broker = { connection, channel };
    await channel.prefetch(64);
    await channel.consume(of('queue'), (message) => {
      if (!message) return;
      this.take(JSON.parse(message.content.toString()) as Envelope, () => channel.ack(message));
      this.wake();
    });
  }

  /** Connected to the broker at this moment. */
  get byBroker(): boolean {
    return this.broker !== null;
  }

  async leave(): Promise<void> {
    await this.broker?.connection.close().catch(() => undefined);
    this.broker = null;
    this.socket?.terminate();
    if (this.socket) await this.until(() => this.closeCode !== null);
    this.socket = null;
  }

  /** Seals, signs and sends; answers the id. `change` spoils the envelope on its way. */
  say(type: string, content: unknown, correlationId: string | null = null, change: Partial<Envelope> = {}): string {
    const { deviceIdentifier } = this;
    const id = change.id ?? uuid7();
    const at = change.at ?? instant(Date.now());
    const key = parsePublicKey(this.configuration['cab-public-key']!).raw;
    const sealed = sealMessage(key, envelopeInfo(id, type, deviceIdentifier), Buffer.from(JSON.stringify(content)));
    const head = { id, type, deviceIdentifier, correlationId, at };
    const sig = this.signingKey && signEnvelope(this.signingKey, { ...head, sealed });
    const body = { sealed: sealed.toString('base64') };
    this.sendFrame({ v: 1, ...head, body, ...(sig ? { sig } : {}), ...change });
    return id;
  }

  sendFrame(frame: unknown): void {
    if (this.broker && !this.socket) {
      const { type } = frame as Partial<Envelope>;
      const content = Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame));
      const options = { persistent: true, userId: this.configuration['rabbit-user']! };
      this.broker.channel.publish('symbolon.devices', `${this.deviceIdentifier}.${type}`, content, options);
      return;
    }
    this.socket!.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** Waits for the n-th message of a type; repeated messages count. */
  async got(type: string, count = 1): Promise<Taken> {
    const all = () => this.taken.filter(({ envelope }) => envelope.type === type);
    await this.until(() => all().length >= count);
    return all()[count - 1]!;
  }

  count(type: string): number {
    return this.taken.filter(({ envelope }) => envelope.type === type).length;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.wakers.push(resolve));
  }

  /** The one object that it holds. */
  get held(): Buffer {
    const [versions] = [...this.objects.values()];
    return versions!.at(-1)!.bytes;
  }

  async store({ envelope, content }: Taken): Promise<void> {
    const { objectId, version, size, sha256 } = content;
    const bytes = content.payload ? Buffer.from(content.payload, 'base64') : await this.download(content.payloadUrl);
    if (bytes.length !== size || sha256Hex(bytes) !== sha256) throw new Error('not the bytes that were announced');
    const others = (this.objects.get(objectId) ?? []).filter((stored) => stored.version !== version);
    this.objects.set(objectId, [...others, { version, bytes }]);
    this.say('storage.write_ack', { objectId, version, sha256, storedAt: instant(Date.now()) }, envelope.id);
  }

  async giveBack(taken: Taken, spoil: (bytes: Buffer) => Buffer = (bytes) => bytes): Promise<void> {
    const { objectId, version, uploadUrl } = taken.content;
    const stored = this.objects.get(objectId)?.find((one) => one.version === version);
    if (!stored) return void this.say('storage.read_result', { objectId, version, found: false }, taken.envelope.id);
    const bytes = spoil(stored.bytes);
    const about = { objectId, version, found: true, size: bytes.length, sha256: sha256Hex(bytes) };
    if (uploadUrl) {
      await this.upload(uploadUrl, bytes);
      this.say('storage.read_result', { ...about, uploaded: true }, taken.envelope.id);
    } else {
      this.say('storage.read_result', { ...about, payload: bytes.toString('base64') }, taken.envelope.id);
    }
  }

  remove({ envelope, content }: Taken): void {
    const { objectId, upToVersion } = content;
    const left = (this.objects.get(objectId) ?? []).filter(({ version }) => version > upToVersion);
    if (left.length > 0) this.objects.set(objectId, left);
    else this.objects.delete(objectId);
    this.say('storage.delete_ack', { objectId, upToVersion, deletedAt: instant(Date.now()) }, envelope.id);
  }

  /** One page of what it holds. */
  listObjects({ envelope, content: { after, limit } }: Taken): void {
    const ids = [...this.objects.keys()].filter((objectId) => after === null || objectId > after).sort();
    const page = ids.slice(0, limit);
    const items = page.flatMap((objectId) =>
      this.objects
        .get(objectId)!
        .map(({ version, bytes }) => ({ objectId, version, size: bytes.length, sha256: sha256Hex(bytes) }))
        .sort((a, b) => a.version - b.version),
    );
    const next = ids.length > limit ? page.at(-1)! : null;
    this.say('storage.inventory_result', { items, next }, envelope.id);
  }

  /** Votes on a ballot, with the statement that a device with a signing key must make. Answers the message's id.
   * `change` spoils what it says, `envelope` how it is sent. */
  vote(
    { envelope, content }: Taken,
    vote: 'yes' | 'no',
    { comment = null, change = {}, envelope: outer = {} }: VoteOptions = {},
  ): string {
    const votedAt = instant(Date.now());
    const statement = this.signingKey && this.voteStatement(content, vote, votedAt);
    const said = { ballotId: content.ballotId, vote, votedAt, comment, ...(statement ? { statement } : {}) };
    return this.say('ballot.vote', { ...said, ...change }, envelope.id, outer);
  }

  private voteStatement({ statement }: Content, vote: string, votedAt: string): string {
    const ballot = JSON.parse(Buffer.from(statement.split('.')[1], 'base64url').toString());
    return this.state({
      iss: this.deviceIdentifier,
      aud: ballot.iss,
      poll: ballot.poll,
      ballot: ballot.jti,
      ballotHash: Buffer.from(sha256Hex(Buffer.from(statement)), 'hex').toString('base64url'),
      op: ballot.op,
      nonce: ballot.nonce,
      vote,
      iat: Math.floor(Date.parse(votedAt) / 1000),
    });
  }

  /** A vote statement with these claims, whatever they are. */
  state(claims: object): string {
    return signStatement(this.signingKey!, 'symbolon-vote+jwt', claims);
  }

  async download(url: string): Promise<Buffer> {
    const answer = await fetch(url);
    if (answer.status !== 200) throw new Error(`download ended as ${answer.status}`);
    return buffer(Readable.fromWeb(answer.body as never).pipe(openStreamFrom([this.privateKey])));
  }

  async upload(url: string, bytes: Buffer): Promise<number> {
    const key = parsePublicKey(this.configuration['cab-public-key']!).raw;
    const body = await buffer(Readable.from([bytes], { objectMode: false }).pipe(sealStreamTo(key)));
    return (await fetch(url, { method: 'POST', body: new Uint8Array(body) })).status;
  }

  private hear(text: string): void {
    const frame = JSON.parse(text) as Envelope & { ack?: string };
    if (frame.ack) this.acks.add(frame.ack);
    else this.take(frame, () => this.sendFrame({ ack: frame.id }));
    this.wake();
  }

  private take(envelope: Envelope, ack: () => void): void {
    if (this.acking) ack();
    const { id, type, deviceIdentifier, body, sig } = envelope;
    const { sealed } = body as { sealed?: string };
    if (sealed === undefined) {
      this.taken.push({ envelope, content: body });
      return;
    }
    const bytes = Buffer.from(sealed, 'base64');
    if (!verifyEnvelope(this.serverKey, { ...envelope, sealed: bytes }, sig ?? ''))
      throw new Error('not signed by the server');
    const content = JSON.parse(
      openMessage([this.privateKey], envelopeInfo(id, type, deviceIdentifier), bytes).toString(),
    );
    const taken = { envelope, content };
    this.taken.push(taken);
    void this.behaviour[type]?.(taken);
  }

  private wake(): void {
    for (const waker of this.wakers.splice(0)) waker();
  }
}
