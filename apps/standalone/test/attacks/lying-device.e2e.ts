import { randomBytes, sha256Hex } from '@symbolon/crypto';
import { type Taken, TestDevice, TestServer, until } from '@symbolon/testing';
import { Broker } from './broker';
import { type Application, application, fetched, StorageDevice } from './parties';

jest.setTimeout(60_000);

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.stop());

/** A profile with a device that does what it is told to do here. */
async function household(): Promise<{ ada: Application; liar: TestDevice }> {
  const ada = await application(server.url);
  const liar = await TestDevice.of(server, { ...ada, token: ada.session.token! });
  await liar.connect();
  return { ada, liar };
}

const settled = (device: { deviceIdentifier: string }) =>
  until(async () => {
    const { rows } = await server.database.pool.query(
      'select 1 from device_router.delivery where device_identifier = $1',
      [device.deviceIdentifier],
    );
    return rows.length === 0;
  }, 'every delivery to the device to be over');

/** What a device may say when it is asked for an object. */
interface Lie {
  readonly bytes: Buffer;
  /** Default: that of the bytes. */
  readonly sha256?: string;
  readonly version?: number;
  readonly objectId?: string;
}

/** Resolves once the server has taken it in. */
async function tell(device: TestDevice, { content, envelope }: Taken, lie: Lie): Promise<void> {
  const { uploadUrl } = content as { uploadUrl: string | null };
  const about = {
    objectId: lie.objectId ?? content.objectId,
    version: lie.version ?? content.version,
    found: true,
    size: lie.bytes.length,
    sha256: lie.sha256 ?? sha256Hex(lie.bytes),
  };
  const way = uploadUrl ? { uploaded: true } : { payload: lie.bytes.toString('base64') };
  if (uploadUrl) await device.upload(uploadUrl, lie.bytes);
  const id = device.say('storage.read_result', { ...about, ...way }, envelope.id);
  await device.until(() => device.acks.has(id));
}

describe.each([
  ['inside a message', 900],
  ['by upload', 90_000],
])('C2: a device that answers %s', (_, size) => {
  const payload = randomBytes(size);
  const older = randomBytes(size);
  let ada: Application;
  let liar: TestDevice;
  let honest: StorageDevice | null = null;
  let broker: Broker | null = null;
  let token: string;
  let otherToken: string;
  /** Layer-2 bytes at the liar: of the token, of another token of the profile, of another profile's token. */
  let own: Buffer;
  let another: Buffer;
  let foreign: Buffer;
  /** A blob as another device keeps it: layer 3. */
  let blob: Buffer;

  const heldSince = async (before: ReadonlySet<string>): Promise<[string, Buffer]> => {
    const [objectId] = [...liar.objects.keys()].filter((id) => !before.has(id));
    return [objectId!, liar.objects.get(objectId!)!.at(-1)!.bytes];
  };

  beforeAll(async () => {
    const neighbour = await household();
    await neighbour.ada.session.store(payload);
    foreign = neighbour.liar.held;
    await neighbour.liar.leave();
    neighbour.ada.session.close();

    ({ ada, liar } = await household());
    ({ token } = await ada.session.store(payload));
    const before = new Set(liar.objects.keys());
    own = liar.held;
    ({ token: otherToken } = await ada.session.store(older));
    [, another] = await heldSince(before);
    await settled(liar);

    const keeper = await application(server.url);
    const device = await StorageDevice.of(keeper, server.url);
    await keeper.session.store(payload);
    blob = device.blobs[0]!;
    await device.discard();
    keeper.session.close();
  });
  afterEach(() => void (liar.behaviour['storage.read'] = (taken) => liar.giveBack(taken)));
  afterAll(async () => {
    await honest?.discard();
    await broker?.stop();
    await liar.leave();
    ada.session.close();
  });

  const flipped = () => {
    const bytes = Buffer.from(own);
    bytes[bytes.length >> 1]! ^= 1;
    return bytes;
  };
  const lies: ReadonlyArray<[string, () => Lie]> = [
    ['another token’s bytes', () => ({ bytes: another })],
    ['another token’s bytes under the right digest', () => ({ bytes: another, sha256: sha256Hex(own) })],
    ['another profile’s bytes of the same payload', () => ({ bytes: foreign })],
    ['a blob copied from another device', () => ({ bytes: blob })],
    ['bytes of its own making', () => ({ bytes: randomBytes(own.length), sha256: sha256Hex(own) })],
    ['the payload itself, had it got hold of it', () => ({ bytes: payload })],
    ['one bit changed', () => ({ bytes: flipped(), sha256: sha256Hex(own) })],
    ['the bytes cut', () => ({ bytes: own.subarray(0, own.length - 1) })],
    ['another version', () => ({ bytes: own, version: 2 })],
    ['another object', () => ({ bytes: own, objectId: 'f'.repeat(32) })],
  ];

  test.each(lies)('%s, alone: storage.data_corrupt, and nothing of it comes out', async (_lie, lie) => {
    liar.behaviour['storage.read'] = (taken) => tell(liar, taken, lie());
    await expect(fetched(ada, token, true)).rejects.toMatchObject({ key: 'storage.data_corrupt' });
  });

  test('the bytes that it was given, alone: they are used, whatever it said before', async () => {
    expect(await fetched(ada, token)).toEqual(payload);
  });

  test('anything of these, beside an honest device that answers later: the honest answer is used', async () => {
    honest = await StorageDevice.of(ada, server.url, {
      channelUrl: async (real) => (broker = await Broker.before(real)).url,
    });
    const stored = await ada.session.store(payload);
    await settled(liar);
    await settled(honest);
    own = liar.objects.get([...liar.objects.keys()].at(-1)!)!.at(-1)!.bytes;
    for (const [, lie] of lies) {
      broker!.passes = ({ type }, to) => to === 'server' || type !== 'storage.read';
      const told = new Promise<void>((resolve) => {
        liar.behaviour['storage.read'] = (taken) => tell(liar, taken, lie()).then(resolve);
      });
      broker!.seen.device.length = 0;
      const fetching = fetched(ada, stored.token);
      await told;
      await broker!.say('device', await broker!.message('device', ({ type }) => type === 'storage.read'));
      expect(await fetching).toEqual(payload);
    }
    // What it alone holds, it still gives.
    liar.behaviour['storage.read'] = (taken) => liar.giveBack(taken);
    broker!.passes = () => true;
    expect(await fetched(ada, otherToken)).toEqual(older);
  });
});
