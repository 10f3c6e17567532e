import * as fc from 'fast-check';
import type { DeviceEvent } from './device.events';
import { device } from './device.model';
import * as sample from './sample-events';

const { registered, loginShown, approved, rejected, retrieved, rotated, storing, storingNoMore } = sample;
const all = [registered, loginShown, approved, rejected, retrieved, rotated, storing, storingNoMore];
const fold = (...events: DeviceEvent[]) => events.reduce(device.evolve.bind(device), device.initial);

describe('a device', () => {
  test('remembers whose it is and how it stands', () => {
    expect(fold(registered)).toMatchObject({ phase: 'pending', owner: sample.ada });
    expect(fold(registered, approved)).toMatchObject({ phase: 'approved', secretKeyId: 'secret-key 1' });
    expect(fold(registered, rejected)).toMatchObject({ phase: 'rejected', secretKeyId: null });
  });

  test('has a secret to show again after a rotation', () => {
    expect(fold(registered, approved, retrieved).secretShown).toBe(true);
    expect(fold(registered, approved, retrieved, rotated)).toMatchObject({
      secretShown: false,
      secretKeyId: 'secret-key 2',
    });
  });

  test('can take up storing again', () => {
    expect(fold(registered, approved, storing, storingNoMore).storesFor).toEqual([]);
    expect(fold(registered, approved, storing, storingNoMore, storing).storesFor).toEqual([sample.ada]);
  });

  test('is the same without personal fields, and whatever unknown events lie between', () => {
    const unknown = { type: 'device.painted', version: 1, data: {} } as unknown as DeviceEvent;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...all)), (events) => {
        const bare = events.flatMap(({ type, version, data }) => [{ type, version, data } as DeviceEvent, unknown]);
        expect(fold(...bare)).toEqual(fold(...events));
      }),
    );
  });
});
