import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ManualClock } from '@symbolon/kernel';
import type { Channel, ChannelHub } from './channel-hub';
import { EventStreams } from './event-streams';

const session = {
  tokenId: 't',
  profileId: 'p',
  kind: 'user',
  hasPublicKey: false,
  expiresAt: '2099-01-01T00:00:00.000+00:00',
} as const;

/** Where channels are held, without a log behind. */
class Channels {
  readonly joined = new Set<Channel>();
  join = (channel: Channel) => void this.joined.add(channel);
  leave = (channel: Channel) => void this.joined.delete(channel);
  replay = () => undefined;
  toldEverything = () => Promise.resolve();
}

let server: Server;
let response: ServerResponse;
let client: IncomingMessage;
const channels = new Channels();
const sessions = { find: () => Promise.resolve(session) };
const streams = new EventStreams(channels as unknown as ChannelHub, sessions, new ManualClock(0));

beforeAll(async () => {
  server = createServer((_, answer) => {
    response = answer;
    streams.open({ session, token: 'T-x', progress: false, lastEventId: null }, () => answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const asking = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  [client] = (await once(asking, 'response')) as [IncomingMessage];
});

afterAll(() => {
  client.destroy();
  server.close();
});

test('a client that does not read is cut off before it fills our memory', async () => {
  client.on('error', () => undefined);
  const [channel] = [...channels.joined];
  const closed = once(response, 'close');
  const text = JSON.stringify({ data: { type: 'X-DPT-CAB-REQUEST-ID', body: 'x'.repeat(87_384) } });
  let held = 0;
  for (let sent = 0; sent < 2000 && !response.destroyed; sent++) {
    channel!.send({ id: String(sent), type: 'X-DPT-CAB-REQUEST-ID', text });
    held = Math.max(held, response.writableLength);
  }
  expect(response.destroyed).toBe(true);
  expect(held).toBeLessThan(17 * 1024 * 1024);
  await closed;
  expect(channels.joined.size).toBe(0);
});
