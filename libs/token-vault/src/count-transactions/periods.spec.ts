import { periodOf, periodsBetween, timeOf } from './periods';

const at = (text: string) => new Date(text);
const shown = (dates: Date[] | null) => dates?.map((date) => date.toISOString());

describe('periods', () => {
  test('begin at full hours, days and months of UTC', () => {
    const time = at('2026-02-21T15:33:44.5Z');
    expect(periodOf(time, 'hour').toISOString()).toBe('2026-02-21T15:00:00.000Z');
    expect(periodOf(time, 'day').toISOString()).toBe('2026-02-21T00:00:00.000Z');
    expect(periodOf(time, 'month').toISOString()).toBe('2026-02-01T00:00:00.000Z');
  });

  test('follow one another without a gap, also over the end of a year', () => {
    expect(shown(periodsBetween(at('2025-12-31T23:59:59Z'), at('2026-01-01T00:00:00Z'), 'hour', 10))).toEqual([
      '2025-12-31T23:00:00.000Z',
      '2026-01-01T00:00:00.000Z',
    ]);
    expect(shown(periodsBetween(at('2024-02-28T12:00:00Z'), at('2024-03-01T00:00:00Z'), 'day', 10))).toHaveLength(3);
    expect(shown(periodsBetween(at('2025-11-30T00:00:00Z'), at('2026-01-31T00:00:00Z'), 'month', 10))).toEqual([
      '2025-11-01T00:00:00.000Z',
      '2025-12-01T00:00:00.000Z',
      '2026-01-01T00:00:00.000Z',
    ]);
  });

  test('are at most so many', () => {
    const from = at('2026-01-01T00:00:00Z');
    expect(periodsBetween(from, new Date(+from + 999 * 3600_000), 'hour', 1000)).toHaveLength(1000);
    expect(periodsBetween(from, new Date(+from + 1000 * 3600_000), 'hour', 1000)).toBeNull();
    expect(periodsBetween(at('0001-01-01T00:00:00Z'), at('9999-01-01T00:00:00Z'), 'hour', 1000)).toBeNull();
  });

  test('a time is one of RFC 3339', () => {
    expect(timeOf('2026-02-21T15:33:44+01:00')?.toISOString()).toBe('2026-02-21T14:33:44.000Z');
    expect(timeOf('2026-02-21T15:33:44 00:00')?.toISOString()).toBe('2026-02-21T15:33:44.000Z');
    expect(timeOf('2026-02-21t15:33:44.123456z')?.toISOString()).toBe('2026-02-21T15:33:44.123Z');
    for (const text of [
      '2026-02-21',
      '2026-02-30T00:00:00Z',
      '2026-02-21T25:00:00Z',
      '2026-02-21T15:33:44',
      'now',
      '',
    ]) {
      expect(timeOf(text)).toBeNull();
    }
  });
});
