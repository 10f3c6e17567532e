import type { PollRules, Strategy } from '@symbolon/contracts';

/** Canonical names, in the order of the contract's section 13. */
export const strategyNames = ['unanimous', 'consensus', 'affirmative', 'minimum_percentage', 'threshold'] as const;

const synonyms: Readonly<Record<string, Strategy['strategy']>> = {
  majority: 'consensus',
  single_approval: 'affirmative',
  single: 'affirmative',
};

/** Every name that a request may use. */
export const acceptedNames: readonly string[] = [...strategyNames, ...Object.keys(synonyms)];

/** A strategy as it is sent: its parameter has three spellings, which must agree where more than one is given. */
export interface StrategyInput {
  readonly strategy: string;
  /** `"0"` to `"100"`, or with `threshold` a count `"n/m"`. */
  readonly strategyParams?: string | undefined;
  readonly percentageRequired?: number | undefined;
  readonly countRequired?: number | undefined;
}

export type ReadStrategy =
  | { readonly strategy: Strategy; readonly errors: null }
  | { readonly strategy: null; readonly errors: Readonly<Record<string, readonly string[]>> };

type Parameter =
  | { readonly kind: 'percentage'; readonly p: number }
  | { readonly kind: 'count'; readonly n: number; readonly m: number };

/**
 * The canonical form of what was sent. A plain number is a percentage, also with `threshold`, which then becomes
 * `minimum_percentage`; a count given without its `m` is written `n/n`.
 */
export function readStrategy({
  strategy,
  strategyParams,
  percentageRequired,
  countRequired,
}: StrategyInput): ReadStrategy {
  const name = canonicalName(strategy);
  if (name === null) return fault('strategy', `must be one of ${acceptedNames.join(', ')}`);
  const given = strategyParams === undefined ? undefined : parameterOf(strategyParams);
  if (given === null)
    return fault('strategy_params', 'must be a percentage from 0 to 100, or with threshold a count n/m');
  if (given?.kind === 'count' && name !== 'threshold')
    return fault('strategy_params', 'must be a percentage from 0 to 100');
  if (name !== 'minimum_percentage' && name !== 'threshold') {
    return { strategy: { strategy: name, strategyParams: null, countRequired: null }, errors: null };
  }
  if (countRequired !== undefined && name === 'minimum_percentage') {
    return fault('countRequired', 'does not go with minimum_percentage');
  }
  const parameters: Parameter[] = [];
  if (given) parameters.push(given);
  if (percentageRequired !== undefined) parameters.push({ kind: 'percentage', p: percentageRequired });
  if (countRequired !== undefined) {
    parameters.push({ kind: 'count', n: countRequired, m: given?.kind === 'count' ? given.m : countRequired });
  }
  const [first, ...others] = parameters;
  if (!first) return fault('strategy_params', `is required with ${strategy}`);
  if (others.some((other) => paramsOf(other) !== paramsOf(first))) {
    return fault('strategy_params', 'must agree with percentageRequired and countRequired');
  }
  return { strategy: strategyOf(first), errors: null };
}

/** A parameter that came without a strategy, for one that takes none it is without effect. */
export function withParameter(current: Strategy, parameter: Strategy): Strategy {
  return current.strategy === 'minimum_percentage' || current.strategy === 'threshold' ? parameter : current;
}

export function percentageOf({ strategy, strategyParams }: Strategy): number | null {
  return strategy === 'minimum_percentage' ? Number(strategyParams) : null;
}

function canonicalName(name: string): Strategy['strategy'] | null {
  return (
    strategyNames.find((canonical) => canonical === name) ?? (Object.hasOwn(synonyms, name) ? synonyms[name]! : null)
  );
}

function parameterOf(text: string): Parameter | null {
  const count = /^(\d{1,3})\/(\d{1,6})$/.exec(text);
  if (count) {
    const [n, m] = [Number(count[1]), Number(count[2])];
    return n >= 1 && n <= 100 && m >= n ? { kind: 'count', n, m } : null;
  }
  return /^\d{1,3}$/.test(text) && Number(text) <= 100 ? { kind: 'percentage', p: Number(text) } : null;
}

function strategyOf(parameter: Parameter): Strategy {
  const strategyParams = paramsOf(parameter);
  return parameter.kind === 'count'
    ? { strategy: 'threshold', strategyParams, countRequired: parameter.n }
    : { strategy: 'minimum_percentage', strategyParams, countRequired: null };
}

function paramsOf(parameter: Parameter): string {
  return parameter.kind === 'count' ? `${parameter.n}/${parameter.m}` : String(parameter.p);
}

function fault(field: string, message: string): ReadStrategy {
  return { strategy: null, errors: { [field]: [message] } };
}

/** `open`: ballots neither voted on nor voided. */
export interface Tally {
  readonly yes: number;
  readonly no: number;
  readonly open: number;
}

export type Outcome = 'succeeded' | 'rejected' | 'failed_quorum' | 'timed_out';

/** How a poll ends (contract, section 13), or null while it is not decided. */
export function verdict(
  rules: Strategy & Pick<PollRules, 'quorumSize'>,
  { yes, no, open }: Tally,
  timeIsOver: boolean,
): Outcome | null {
  const responders = yes + no;
  const eligible = responders + open;
  if (eligible === 0) return 'timed_out';
  if (cannotHold(rules, yes, no, open)) return 'rejected';
  if (responders > 0 && eligible < rules.quorumSize) return 'failed_quorum';
  if (open === 0 || timeIsOver) {
    if (responders === 0) return 'timed_out';
    if (responders < rules.quorumSize) return 'failed_quorum';
    return yes >= 1 && holds(rules, yes, no) ? 'succeeded' : 'rejected';
  }
  const enough = yes >= 1 && responders >= rules.quorumSize;
  return enough && cannotFail(rules, yes, eligible) ? 'succeeded' : null;
}

function holds(rules: Strategy, yes: number, no: number): boolean {
  const responders = yes + no;
  switch (rules.strategy) {
    case 'unanimous':
      return no === 0;
    case 'consensus':
      return 2 * yes > responders;
    case 'affirmative':
      return yes >= 1;
    case 'minimum_percentage':
      return 100 * yes >= Number(rules.strategyParams) * responders;
    case 'threshold':
      return yes >= Number(rules.countRequired);
  }
}

/** Whatever the others do. Only asked while ballots are open. */
function cannotFail(rules: Strategy, yes: number, eligible: number): boolean {
  switch (rules.strategy) {
    case 'unanimous':
      return false;
    case 'consensus':
      return 2 * yes > eligible;
    case 'affirmative':
      return yes >= 1;
    case 'minimum_percentage':
      return 100 * yes >= Number(rules.strategyParams) * eligible;
    case 'threshold':
      return yes >= Number(rules.countRequired);
  }
}

function cannotHold(rules: Strategy, yes: number, no: number, open: number): boolean {
  const eligible = yes + no + open;
  switch (rules.strategy) {
    case 'unanimous':
      return no >= 1;
    case 'consensus':
      return 2 * (yes + open) <= eligible;
    case 'affirmative':
      return yes + open === 0;
    case 'minimum_percentage':
      return 100 * (yes + open) < Number(rules.strategyParams) * eligible;
    case 'threshold':
      return yes + open < Number(rules.countRequired);
  }
}
