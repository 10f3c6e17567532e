import * as fc from 'fast-check';
import * as sample from './sample-events';
import type { TokenEvent } from './token.events';
import { isOver, isStrange, token, type Token } from './token.model';

const { reserved, exchanged, madePermanent, writeFailed, expired, deleted, ada, eve, morning, noon } = sample;
const { replaced, confirmed } = sample;
const fold = (...events: TokenEvent[]): Token => events.reduce<Token>(token.evolve.bind(token), token.initial);

describe('the token model', () => {
  const history = fc.array(
    fc.constantFrom(reserved, exchanged, madePermanent, replaced, confirmed, writeFailed, expired, deleted),
  );

  test('is total, never changes a state it was given, and replays to the same state', () => {
    fc.assert(
      fc.property(history, (events) => {
        const states = events.map((_, index) => fold(...events.slice(0, index + 1)));
        const frozen = events.reduce<Token>((state, event) => token.evolve(Object.freeze(state), event), token.initial);
        expect(frozen).toEqual(states.at(-1) ?? token.initial);
      }),
    );
  });

  test('ignores events it does not know', () => {
    const unknown = { type: 'data_token.painted_blue', version: 1, data: {} } as unknown as TokenEvent;
    const state = fold(reserved, exchanged);
    expect(token.evolve(state, unknown)).toBe(state);
  });

  test('never folds a personal field: the state is the same after an erasure', () => {
    const erased = { ...reserved, personal: undefined } as unknown as TokenEvent;
    expect(fold(erased, exchanged)).toEqual(fold(reserved, exchanged));
  });

  test('holds data only once a device has acknowledged it', () => {
    expect(fold(reserved, exchanged)).toMatchObject({ phase: 'temporary', held: null, pending: { version: 1 } });
    expect(fold(reserved, exchanged, madePermanent)).toMatchObject({
      phase: 'permanent',
      held: { size: 5 },
      pending: null,
    });
    expect(fold(reserved, exchanged, writeFailed)).toMatchObject({ phase: 'temporary', held: null, pending: null });
  });

  test('holds the old version until the new one is confirmed', () => {
    const before = [reserved, exchanged, madePermanent, replaced];
    expect(fold(...before)).toMatchObject({ held: { version: 1 }, pending: { version: 2 } });
    expect(fold(...before, confirmed)).toMatchObject({
      phase: 'permanent',
      held: { version: 2, size: 7 },
      pending: null,
    });
    const failed = { ...writeFailed, data: { ...writeFailed.data, version: 2 } } as TokenEvent;
    expect(fold(...before, failed)).toMatchObject({ held: { version: 1 }, pending: null, written: 2 });
    expect(fold(...before, failed, confirmed)).toMatchObject({ held: { version: 1 } });
  });

  test('a failed write does not end a newer one', () => {
    expect(fold(reserved, exchanged, madePermanent, replaced, writeFailed)).toMatchObject({ pending: { version: 2 } });
  });

  test('is strange to others and once deleted', () => {
    expect(isStrange(fold(), ada)).toBe(true);
    expect(isStrange(fold(reserved), ada)).toBe(false);
    expect(isStrange(fold(reserved), eve)).toBe(true);
    expect(isStrange(fold(reserved, deleted), ada)).toBe(true);
  });

  test('is over at its time, unless a write is under way or it is permanent', () => {
    expect(isOver(fold(reserved), morning)).toBe(false);
    expect(isOver(fold(reserved), noon)).toBe(true);
    expect(isOver(fold(reserved, exchanged), noon)).toBe(false);
    expect(isOver(fold(reserved, exchanged, madePermanent), noon)).toBe(false);
    expect(isOver(fold(reserved, expired), morning)).toBe(true);
  });
});
