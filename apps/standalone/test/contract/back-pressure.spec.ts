import { once } from 'node:events';
import { get, type IncomingMessage, request as httpRequest } from 'node:http';
import { Readable, Transform } from 'node:stream';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { parsePublicKey, sealStreamTo, Sha256Meter } from '@symbolon/crypto';
import { ParcelStore } from '@symbolon/parcel-store';
import { TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

const block = 65_536;
const size = 32 * 1024 * 1024;
/** What may lie in the buffers of sockets and streams, far below what passes. */
const bound = 16 * 1024 * 1024;

let server: TestServer;
let ada: TestProfile;
let device: TestDevice;
let store: ParcelStore;

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
  store = server.served.app.get(ParcelStore);
});

afterAll(async () => {
  await device.leave();
  await server.stop();
});

afterEach(() => jest.restoreAllMocks());

/** Counts what one end has given and the other has not taken yet. */
class Passage {
  most = 0;
  private underWay = 0;

  given(bytes: number): void {
    this.underWay += bytes;
    this.most = Math.max(this.most, this.underWay);
  }

  /** A turn of the loop for each chunk. */
  async *takenSlowly(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.underWay -= chunk.length;
      yield chunk;
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  counting(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _, done) => {
        this.given(chunk.length);
        done(null, chunk);
      },
    });
  }

  /** The parcel that the store has written, slowly. */
  parcelId = '';

  intoTheStore(): this {
    const { write } = store;
    jest.spyOn(store, 'write').mockImplementation((id, parcel) => {
      this.parcelId = id;
      return write.call(store, id, this.takenSlowly(parcel));
    });
    return this;
  }

  /** What the parcel store gives counts. */
  outOfTheStore(): this {
    const { read } = store;
    jest.spyOn(store, 'read').mockImplementation(async (id) => {
      const parcel = await read.call(store, id);
      return parcel && parcel.on('error', () => undefined).pipe(this.counting());
    });
    return this;
  }
}

function* blocks(): Generator<Buffer> {
  for (let at = 0; at < size; at += block) yield Buffer.alloc(block, at / block);
}
const bytes = () => Readable.from(blocks(), { objectMode: false });

async function send(url: string, source: Readable, passage: Passage): Promise<IncomingMessage> {
  const request = httpRequest(url, { method: 'POST' });
  const answered = once(request, 'response');
  await pipeline(source, passage.counting(), request);
  return (await answered)[0] as IncomingMessage;
}

/** Answers the digest. */
async function fetchSlowly(url: string, passage: Passage): Promise<string> {
  const answer = await new Promise<IncomingMessage>((resolve) => get(url, resolve));
  expect(answer.statusCode).toBe(200);
  const meter = new Sha256Meter();
  meter.resume();
  await pipeline(answer, (source: AsyncIterable<Uint8Array>) => passage.takenSlowly(source), meter);
  return meter.hex();
}

test('a payload passes every stage at the pace of the slower side', async () => {
  const { 'storage.write': writing, 'storage.read': reading } = device.behaviour;
  device.behaviour['storage.write'] = () => undefined;
  device.behaviour['storage.read'] = () => undefined;
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'large' }, ada.token);
  const { body: reserved } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
  const final = async (command: string) =>
    (await server.get(`/request-status/${command}`, { token: ada.token, wait: 30 })).body;

  const upload = new Passage().intoTheStore();
  const meter = new Sha256Meter();
  const accepted = await send(reserved.stream, bytes().pipe(meter), upload);
  const { commandId: exchange } = (await json(accepted)) as { commandId: string };
  jest.restoreAllMocks();
  expect(upload.most).toBeLessThan(bound);

  const { envelope, content } = await device.got('storage.write');
  const sealed = await (await store.read(upload.parcelId))!.toArray();
  const write = new Passage().outOfTheStore();
  await fetchSlowly(content.payloadUrl, write);
  jest.restoreAllMocks();
  expect(write.most).toBeLessThan(bound);
  const { objectId, version, sha256 } = content;
  device.say('storage.write_ack', { objectId, version, sha256, storedAt: new Date().toISOString() }, envelope.id);
  expect((await final(exchange)).body).toEqual({ token: reserved.token, version: 1, size });

  const asked = await server.post('/data-token/request-data', { json: { token: reserved.token }, token: ada.token });
  const order = await device.got('storage.read');
  const read = new Passage().intoTheStore();
  const { raw } = parsePublicKey(device.configuration['cab-public-key']!);
  const returned = Readable.from(sealed, { objectMode: false }).pipe(sealStreamTo(raw));
  expect((await send(order.content.uploadUrl, returned, read)).statusCode).toBe(204);
  jest.restoreAllMocks();
  expect(read.most).toBeLessThan(bound);
  const result = { objectId, version, found: true, size: content.size, sha256, uploaded: true };
  device.say('storage.read_result', result, order.envelope.id);

  const { downloadUrl } = (await final(asked.body.commandId)).body;
  const download = new Passage().outOfTheStore();
  expect(await fetchSlowly(downloadUrl, download)).toBe(meter.hex());
  expect(download.most).toBeLessThan(bound);
  Object.assign(device.behaviour, { 'storage.write': writing, 'storage.read': reading });
});
