import { scenario } from '@symbolon/testing';
import * as fc from 'fast-check';
import type { ReadingEvent } from './reading.events';
import { reading } from './reading.model';
import { abandonReading, answerReading, failRead } from './settle-reading.decide';

const [attic, cellar, shed] = ['attic', 'cellar', 'shed'] as const;
const request = { tokenId: 'token', version: 1, requestId: 'request' };

const answered = (deviceIdentifier: string): ReadingEvent => ({
  type: 'storage.read_answered',
  version: 1,
  data: { ...request, deviceIdentifier, size: 400, parcelId: 'parcel' },
});
const failed = (deviceIdentifier: string, reason: 'not_found' | 'corrupt'): ReadingEvent => ({
  type: 'storage.read_failed',
  version: 1,
  data: { ...request, deviceIdentifier, reason },
});
const over = (reason: string): ReadingEvent => ({
  type: 'storage.reading_failed',
  version: 1,
  data: { requestId: 'request', reason },
});

describe('a usable answer', () => {
  const { given } = scenario(reading, answerReading);
  const answer = { ...request, deviceIdentifier: attic, size: 400, parcelId: 'parcel' };
  test('is taken', () => given().when(answer).then(answered(attic)));
  test('is taken after useless ones', () => given(failed(cellar, 'corrupt')).when(answer).then(answered(attic)));
  test('counts once', () => given(answered(cellar)).when(answer).then());
  test('comes too late once the reading has failed', () => given(over('storage.data_missing')).when(answer).then());
});

describe('a useless answer', () => {
  const { given } = scenario(reading, failRead);
  const answer = (deviceIdentifier: string, reason: 'not_found' | 'corrupt', asked: string[] = [attic, cellar]) => ({
    ...request,
    deviceIdentifier,
    reason,
    asked,
  });
  test('waits for the other devices', () => given().when(answer(attic, 'corrupt')).then(failed(attic, 'corrupt')));
  test('of the last device ends the reading: missing where all miss it', () =>
    given(failed(cellar, 'not_found'))
      .when(answer(attic, 'not_found'))
      .then(failed(attic, 'not_found'), over('storage.data_missing')));
  test('of the last device ends the reading: corrupt where one was damaged', () =>
    given(failed(cellar, 'corrupt'))
      .when(answer(attic, 'not_found'))
      .then(failed(attic, 'not_found'), over('storage.data_corrupt')));
  test('of the only device ends it', () =>
    given()
      .when(answer(attic, 'corrupt', [attic]))
      .then(failed(attic, 'corrupt'), over('storage.data_corrupt')));
  test('counts once per device', () => given(failed(attic, 'corrupt')).when(answer(attic, 'not_found')).then());
  test('does not harm a usable one', () => given(answered(cellar)).when(answer(attic, 'corrupt')).then());
});

describe('abandoning a reading', () => {
  const { given } = scenario(reading, abandonReading);
  const command = { requestId: 'request', reason: 'storage.no_device_answered' };
  test('tells why', () => given(failed(attic, 'corrupt')).when(command).then(over('storage.no_device_answered')));
  test('comes too late after an answer or another end', () => {
    given(answered(attic)).when(command).then();
    given(over('storage.data_missing')).when(command).then();
  });
});

test('whatever comes in whatever order, a reading ends at most once', () => {
  const device = fc.constantFrom(attic, cellar, shed);
  const asked = [attic, cellar, shed];
  const step = fc.oneof(
    device.map((deviceIdentifier) => ({
      decide: answerReading,
      command: { ...request, deviceIdentifier, size: 1, parcelId: 'p' },
    })),
    fc
      .record({ deviceIdentifier: device, reason: fc.constantFrom('not_found' as const, 'corrupt' as const) })
      .map((fault) => ({
        decide: failRead,
        command: { ...request, ...fault, asked },
      })),
    fc.constant({ decide: abandonReading, command: { requestId: 'request', reason: 'storage.no_device_answered' } }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let state = reading.initial;
      const ends: string[] = [];
      for (const { decide, command } of steps) {
        const decision = decide(command as never, state);
        if (!decision.accepted) throw new Error('no step is refused');
        for (const event of decision.events) {
          if (event.type === 'storage.read_answered' || event.type === 'storage.reading_failed') ends.push(event.type);
          state = reading.evolve(state, event);
        }
      }
      expect(ends.length).toBeLessThanOrEqual(1);
      expect(state.phase === 'open').toBe(ends.length === 0);
    }),
  );
});
