import { isPolicyEventId } from '@symbolon/contracts';
import { AddressRanges, isAddressRange } from '@symbolon/settings/addresses';
import type { Ballot } from './ballot';

/**
 * One declared rule. It holds when each of its conditions does; a condition on something that the ballot does not say
 * does not hold.
 */
export interface Rule {
  readonly name: string;
  readonly vote: 'yes' | 'no' | 'ask';
  /** Policy event ids. */
  readonly operation: readonly string[];
  /** Ids of OAuth applications; `any` = through whichever application, `none` = through none. */
  readonly application: readonly string[] | null;
  /** The data's context; a trailing `*` matches any ending. */
  readonly context: readonly string[] | null;
  readonly address: AddressRanges | null;
  readonly between: { readonly from: number; readonly to: number } | null;
  readonly days: readonly string[] | null;
}

export interface Rules {
  readonly rules: readonly Rule[];
  /** Of a ballot that no rule speaks of. */
  readonly otherwise: 'no' | 'ask';
  /** IANA name; null = that of the machine. */
  readonly timeZone: string | null;
}

export interface Verdict {
  readonly vote: 'yes' | 'no' | 'ask';
  /** The rule that decided; null = none did. */
  readonly rule: string | null;
}

/** A rules file that cannot be used; the message is a sentence for people. */
export class RulesError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RulesError';
  }
}

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const members = ['name', 'vote', 'operation', 'application', 'context', 'address', 'between', 'days'];

/**
 * Reads a rules file:
 * `{"rules":[{"name","vote":"yes|no|ask","operation":[…],"application":[…],"context":[…],"address":["192.0.2.0/24"],
 * "between":"08:00-18:00","days":["mon"]}],"otherwise":"no|ask","timeZone":"Europe/Berlin"}`.
 * Everything is checked, unknown members are refused: a misspelt condition must not widen a rule. Throws `RulesError`.
 */
export function readRules(text: string): Rules {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new RulesError('the rules are not JSON');
  }
  const { rules, otherwise = 'no', timeZone = null, ...others } = objectOf(json, 'the rules');
  refuseOthers(others, 'the rules');
  if (!Array.isArray(rules)) throw new RulesError('"rules" must be a list');
  if (otherwise !== 'no' && otherwise !== 'ask') throw new RulesError('"otherwise" must be "no" or "ask"');
  if (timeZone !== null && !isTimeZone(timeZone)) throw new RulesError('"timeZone" is no time zone that is known here');
  const read = rules.map((rule, index) => readRule(rule, index));
  if (new Set(read.map(({ name }) => name)).size < read.length) throw new RulesError('two rules have the same name');
  return { rules: read, otherwise, timeZone };
}

/** The first rule that holds decides. `now` is the device's own time. */
export function decide({ rules, otherwise, timeZone }: Rules, ballot: Ballot, now: Date): Verdict {
  const clock = clockAt(now, timeZone);
  const rule = rules.find((one) => holds(one, ballot, clock));
  return rule ? { vote: rule.vote, rule: rule.name } : { vote: otherwise, rule: null };
}

interface WallClock {
  readonly minute: number;
  readonly day: string;
}

function holds(rule: Rule, { operation, context }: Ballot, { minute, day }: WallClock): boolean {
  const { application, context: contexts, address, between } = rule;
  return (
    rule.operation.includes(operation) &&
    (application === null || application.some((wanted) => isApplication(wanted, context.application))) &&
    (contexts === null || contexts.some((pattern) => matches(pattern, context.dataContext))) &&
    (address === null || (context.ip !== null && address.hold(context.ip))) &&
    (between === null || isBetween(minute, between)) &&
    (rule.days === null || rule.days.includes(day))
  );
}

function isApplication(wanted: string, through: { readonly applicationId: string } | null): boolean {
  if (wanted === 'none') return through === null;
  return through !== null && (wanted === 'any' || wanted === through.applicationId);
}

function matches(pattern: string, context: string | null): boolean {
  if (context === null) return false;
  return pattern.endsWith('*') ? context.startsWith(pattern.slice(0, -1)) : context === pattern;
}

/** A window may pass midnight; its end is not part of it. */
function isBetween(minute: number, { from, to }: { readonly from: number; readonly to: number }): boolean {
  return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}

function clockAt(now: Date, timeZone: string | null): WallClock {
  const parts = new Intl.DateTimeFormat('en-US', {
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(timeZone === null ? {} : { timeZone }),
  }).formatToParts(now);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? '';
  return { minute: Number(part('hour')) * 60 + Number(part('minute')), day: part('weekday').toLowerCase() };
}

function readRule(value: unknown, index: number): Rule {
  const place = `rule ${index + 1}`;
  const given = objectOf(value, place);
  refuseOthers(Object.fromEntries(Object.entries(given).filter(([name]) => !members.includes(name))), place);
  const { name, vote } = given;
  if (typeof name !== 'string' || name === '' || name.length > 100) throw new RulesError(`${place} needs a "name"`);
  if (vote !== 'yes' && vote !== 'no' && vote !== 'ask')
    throw new RulesError(`"vote" of ${place} must be "yes", "no" or "ask"`);
  const operation = list(given['operation'], place, 'operation', /^[a-z_]+\.[a-z_]+$/);
  // A rule without an operation would speak of whatever is gated some day.
  if (operation === null) throw new RulesError(`${place} needs "operation": the policy event ids it speaks of`);
  const unknown = operation.find((id) => id !== 'voting.create' && !isPolicyEventId(id));
  // Of a rule that says no, it would let through what the rule is there to stop.
  if (unknown !== undefined)
    throw new RulesError(`"operation" of ${place} has an id that no policy knows: ${JSON.stringify(unknown)}`);
  const weekdays = list(given['days'], place, 'days', /^[a-z]{3}$/);
  const wrongDay = weekdays?.find((day) => !days.includes(day));
  if (wrongDay !== undefined) throw new RulesError(`"days" of ${place} takes ${days.join(', ')}`);
  return {
    name,
    vote,
    operation,
    application: list(given['application'], place, 'application', /^([0-9a-f-]{36}|any|none)$/),
    context: list(given['context'], place, 'context', /^[^*]*\*?$/s),
    address: addressesOf(list(given['address'], place, 'address', /^[0-9a-fA-F.:]+(\/\d{1,3})?$/), place),
    between: windowOf(given['between'], place),
    days: weekdays,
  };
}

function list(value: unknown, place: string, name: string, form: RegExp): readonly string[] | null {
  if (value === undefined) return null;
  const all = (Array.isArray(value) ? value : [value]) as unknown[];
  if (all.length === 0) throw new RulesError(`"${name}" of ${place} is empty`);
  return all.map((item) => {
    if (typeof item !== 'string' || !form.test(item))
      throw new RulesError(`"${name}" of ${place} has a malformed value: ${JSON.stringify(item)?.slice(0, 60)}`);
    return item;
  });
}

function addressesOf(ranges: readonly string[] | null, place: string): AddressRanges | null {
  const wrong = ranges?.find((range) => !isAddressRange(range));
  if (wrong !== undefined) throw new RulesError(`"address" of ${place} has no address range: ${wrong}`);
  return ranges && new AddressRanges(ranges);
}

function windowOf(value: unknown, place: string): Rule['between'] {
  if (value === undefined) return null;
  const [, h1, m1, h2, m2] = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/.exec(String(value)) ?? [];
  const [from, to] = [Number(h1) * 60 + Number(m1), Number(h2) * 60 + Number(m2)];
  if (h1 === undefined || to > 24 * 60 || from === to)
    throw new RulesError(`"between" of ${place} must be like "08:00-18:00"`);
  return { from, to };
}

function isTimeZone(value: unknown): value is string {
  try {
    return typeof value === 'string' && new Intl.DateTimeFormat('en-US', { timeZone: value }) !== null;
  } catch {
    return false;
  }
}

function objectOf(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RulesError(`${place} must be a JSON object`);
  return value as Record<string, unknown>;
}

function refuseOthers(others: Record<string, unknown>, place: string): void {
  const [name] = Object.keys(others);
  if (name !== undefined) throw new RulesError(`${place} has a member that is not known: "${name.slice(0, 60)}"`);
}
