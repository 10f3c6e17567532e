export const intervals = ['hour', 'day', 'month'] as const;
export type Interval = (typeof intervals)[number];

/** Start of the period in which a time lies, in UTC. */
export function periodOf(at: Date, interval: Interval): Date {
  const [year, month, day, hour] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours()];
  return utc(year, month, interval === 'month' ? 1 : day, interval === 'hour' ? hour : 0);
}

/** Starts of all periods from that of `from` to that of `to`, ascending; null where there are more than `most`. */
export function periodsBetween(from: Date, to: Date, interval: Interval, most: number): Date[] | null {
  const periods: Date[] = [];
  for (let at = periodOf(from, interval); at <= to; at = next(at, interval)) {
    if (periods.length === most) return null;
    periods.push(at);
  }
  return periods;
}

function next(at: Date, interval: Interval): Date {
  const [year, month, day, hour] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours()];
  if (interval === 'month') return utc(year, month + 1, 1, 0);
  return interval === 'day' ? utc(year, month, day + 1, 0) : utc(year, month, day, hour + 1);
}

/** Unlike `Date.UTC`, the years 0 to 99 are those years. */
function utc(year: number, month: number, day: number, hour: number): Date {
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  date.setUTCHours(hour);
  return date;
}

const form = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)(?:[Zz]|([+ -])(\d{2}:\d{2}))$/;

/** A time of RFC 3339, or null. A `+` that nobody has encoded arrives in a query as a space. */
export function timeOf(text: string): Date | null {
  const found = form.exec(text);
  if (!found) return null;
  const [, date, time, sign, offset] = found;
  const parsed = new Date(
    `${date}T${time!.slice(0, 12)}${offset === undefined ? 'Z' : `${sign === '-' ? '-' : '+'}${offset}`}`,
  );
  // `Date` rolls the 31st of June over to July.
  const day = Number(date!.slice(8));
  const days = new Date(Date.UTC(Number(date!.slice(0, 4)), Number(date!.slice(5, 7)), 0)).getUTCDate();
  return Number.isNaN(parsed.getTime()) || day > days ? null : parsed;
}
