import { uuid7 } from '@symbolon/crypto';
import type { DeviceLink, Envelope } from './device-link';

/** A device at the other end of a carrier, which confirms only when told to. */
export interface FarEnd {
  /** Resolves with the next envelope; each is handed out once per transmission. */
  next(): Promise<Envelope>;
  confirm(id: string): void;
  send(envelope: Envelope): void;
  /** Resolves when the carrier has confirmed this envelope of ours. */
  confirmed(id: string): Promise<void>;
  /** Leaves without a word. */
  vanish(): Promise<void>;
}

export interface LinkUnderTest {
  readonly link: DeviceLink;
  connect(deviceIdentifier: string): Promise<FarEnd>;
  close(): Promise<void>;
}

/** What every carrier of the device channel does. */
export function deviceLinkContract(name: string, make: () => Promise<LinkUnderTest>): void {
  describe(`the device link by ${name}`, () => {
    let test: LinkUnderTest;
    let deviceIdentifier: string;
    beforeEach(async () => {
      test = await make();
      deviceIdentifier = uuid7();
    });
    afterEach(() => test.close());

    const envelope = (body: object = {}): Envelope => ({
      v: 1,
      id: uuid7(),
      type: 'storage.write',
      deviceIdentifier,
      correlationId: null,
      at: '2026-02-21T15:33:44.123+00:00',
      body,
    });

    it('brings an envelope as it is, and tells when it was confirmed', async () => {
      const device = await test.connect(deviceIdentifier);
      const sent = envelope({ sealed: 'ä€😀' });
      const outcome = test.link.send(sent);
      expect(await device.next()).toEqual(sent);
      expect(test.link.waiting(deviceIdentifier)).toBe(1);
      device.confirm(sent.id);
      expect(await outcome).toBe('confirmed');
      expect(test.link.waiting(deviceIdentifier)).toBe(0);
    });

    it('confirms a message of the device only when its effect is stored', async () => {
      let stored: () => void = () => undefined;
      const heard = new Promise<unknown>((resolve) => {
        test.link.receive((from, message) => {
          resolve([from, message]);
          return new Promise((done) => (stored = done));
        });
      });
      const device = await test.connect(deviceIdentifier);
      const sent = envelope();
      let confirmed = false;
      const confirmation = device.confirmed(sent.id).then(() => (confirmed = true));
      device.send(sent);
      expect(await heard).toEqual([deviceIdentifier, sent]);
      expect(confirmed).toBe(false);
      stored();
      await confirmation;
    });

    it('does not confirm what could not be stored, and takes it when it comes again', async () => {
      let faults = 1;
      let failed: () => void = () => undefined;
      const failure = new Promise<void>((resolve) => (failed = resolve));
      test.link.receive(async () => {
        if (faults-- > 0) {
          failed();
          throw new Error('outage');
        }
      });
      const device = await test.connect(deviceIdentifier);
      const sent = envelope();
      const confirmation = device.confirmed(sent.id);
      device.send(sent);
      await failure;
      device.send(sent);
      await confirmation;
    });

    it('says that a device is offline, and that one left before it confirmed', async () => {
      expect(await test.link.send(envelope())).toBe('offline');
      const device = await test.connect(deviceIdentifier);
      const outcome = test.link.send(envelope());
      await device.next();
      await device.vanish();
      expect(await outcome).toBe('offline');
    });

    it('keeps what it was asked to keep and sends it on the next connection', async () => {
      const early = envelope();
      const outcome = test.link.send(early, { keep: true });
      const first = await test.connect(deviceIdentifier);
      expect(await first.next()).toEqual(early);
      await first.vanish();
      const second = await test.connect(deviceIdentifier);
      expect(await second.next()).toEqual(early);
      second.confirm(early.id);
      expect(await outcome).toBe('confirmed');
    });

    it('tells when a device is there', async () => {
      const came = new Promise<string>((resolve) => test.link.onConnected(resolve));
      await test.connect(deviceIdentifier);
      expect(await came).toBe(deviceIdentifier);
      expect(test.link.connected()).toEqual([deviceIdentifier]);
    });

    it('keeps devices apart', async () => {
      const other = uuid7();
      const device = await test.connect(deviceIdentifier);
      await test.connect(other); // never confirms anything
      const stuck = Array.from({ length: 150 }, () => ({ ...envelope(), deviceIdentifier: other }));
      for (const one of stuck) void test.link.send(one);
      const sent = envelope();
      const outcome = test.link.send(sent);
      expect(await device.next()).toEqual(sent);
      device.confirm(sent.id);
      expect(await outcome).toBe('confirmed');
    });
  });
}
