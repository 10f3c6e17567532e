import { uuid7 } from '@symbolon/crypto';
import type { DeviceLink, Envelope } from './device-link';

/** A device at the other end of a carrier, which confirms only when told to. */
export interface FarEnd {
  /** Resolves with the next envelope; each is handed out once per transmission. */
  next(): Promise<Envelope>;
  confirm(id: string): void;
  send(envelope: Envelope): void;
  /** Sends any text in place of an envelope. */
  sendText(text: string): void;
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
      expect(test.link.waiting(deviceIdentifier)).toBe(1);
      expect(await device.next()).toEqual(sent);
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

    it('says that a device is offline', async () => {
      expect(await test.link.send(envelope())).toBe('offline');
      expect(test.link.waiting(deviceIdentifier)).toBe(0);
    });

    it('loses nothing with a device that left before it confirmed: it has it still, or says so', async () => {
      const device = await test.connect(deviceIdentifier);
      const sent = envelope();
      const outcome = test.link.send(sent);
      await device.next();
      await device.vanish();
      if ((await outcome) === 'offline') return;
      const again = await test.connect(deviceIdentifier);
      expect(await again.next()).toEqual(sent);
    });

    it('brings an envelope again under the same id when it is sent again', async () => {
      const device = await test.connect(deviceIdentifier);
      const sent = envelope();
      const first = test.link.send(sent);
      expect(await device.next()).toEqual(sent);
      const second = test.link.send(sent);
      expect(await device.next()).toEqual(sent);
      device.confirm(sent.id);
      expect(await Promise.all([first, second])).toEqual(['confirmed', 'confirmed']);
    });

    it('hands on what is no JSON as nothing, and takes it as little for lost as any other', async () => {
      const messages: unknown[] = [];
      let heard: () => void = () => undefined;
      test.link.receive(async (_, message) => {
        messages.push(message);
        heard();
      });
      const device = await test.connect(deviceIdentifier);
      device.sendText('{"v":');
      const sent = envelope();
      device.send(sent);
      while (messages.length < 2) await new Promise<void>((resolve) => (heard = resolve));
      expect(messages).toEqual(expect.arrayContaining([undefined, sent]));
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

    it('tells when messages can be sent, and to whom', async () => {
      expect(test.link.reachable()).toEqual([]);
      const told = new Promise<void>((resolve) => {
        test.link.onConnected(() => resolve());
        test.link.onReachable(resolve);
      });
      await test.connect(deviceIdentifier);
      await told;
      expect(test.link.reachable()).toEqual([deviceIdentifier]);
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
