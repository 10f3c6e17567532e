import { defaultRules, required, type Strategy } from '@symbolon/contracts';
import fc from 'fast-check';
import {
  acceptedNames,
  type Outcome,
  percentageOf,
  readStrategy,
  strategyNames,
  type Tally,
  verdict,
  withParameter,
} from './strategy.decide';

const bare = (strategy: Strategy['strategy']): Strategy => ({ strategy, strategyParams: null, countRequired: null });
const percent = (p: number): Strategy => ({
  strategy: 'minimum_percentage',
  strategyParams: String(p),
  countRequired: null,
});
const count = (n: number, m = n): Strategy => ({
  strategy: 'threshold',
  strategyParams: `${n}/${m}`,
  countRequired: n,
});

describe('a strategy as it is sent', () => {
  test.each([
    ['unanimous', bare('unanimous')],
    ['consensus', bare('consensus')],
    ['majority', bare('consensus')],
    ['affirmative', bare('affirmative')],
    ['single_approval', bare('affirmative')],
    ['single', bare('affirmative')],
  ])('%s needs no parameter, and one that is given has no effect', (strategy, expected) => {
    expect(readStrategy({ strategy }).strategy).toEqual(expected);
    expect(readStrategy({ strategy, strategyParams: '50' }).strategy).toEqual(expected);
    expect(readStrategy({ strategy, percentageRequired: 1, countRequired: 2 }).strategy).toEqual(expected);
    expect(readStrategy({ strategy, strategyParams: 'x' }).errors).toHaveProperty('strategy_params');
    expect(readStrategy({ strategy, strategyParams: '1/2' }).errors).toHaveProperty('strategy_params');
  });

  test.each([
    [{ strategy: 'minimum_percentage', strategyParams: '66' }, percent(66)],
    [{ strategy: 'minimum_percentage', percentageRequired: 66 }, percent(66)],
    [{ strategy: 'minimum_percentage', percentageRequired: 0, strategyParams: '0' }, percent(0)],
    [{ strategy: 'threshold', strategyParams: '3' }, percent(3)],
    [{ strategy: 'threshold', strategyParams: '100' }, percent(100)],
    [{ strategy: 'threshold', percentageRequired: 50 }, percent(50)],
    [{ strategy: 'threshold', strategyParams: '2/3' }, count(2, 3)],
    [{ strategy: 'threshold', strategyParams: '02/03' }, count(2, 3)],
    [{ strategy: 'threshold', countRequired: 2 }, count(2)],
    [{ strategy: 'threshold', countRequired: 2, strategyParams: '2/3' }, count(2, 3)],
  ])('%j reads as %j', (input, expected) => {
    expect(readStrategy(input)).toEqual({ strategy: expected, errors: null });
  });

  test.each([
    [{ strategy: 'plurality' }, 'strategy'],
    [{ strategy: 'Unanimous' }, 'strategy'],
    [{ strategy: 'constructor' }, 'strategy'],
    [{ strategy: 'threshold' }, 'strategy_params'],
    [{ strategy: 'minimum_percentage' }, 'strategy_params'],
    [{ strategy: 'minimum_percentage', strategyParams: '101' }, 'strategy_params'],
    [{ strategy: 'minimum_percentage', strategyParams: '-1' }, 'strategy_params'],
    [{ strategy: 'minimum_percentage', strategyParams: '50.5' }, 'strategy_params'],
    [{ strategy: 'minimum_percentage', strategyParams: '50%' }, 'strategy_params'],
    [{ strategy: 'minimum_percentage', strategyParams: '2/3' }, 'strategy_params'],
    [{ strategy: 'minimum_percentage', countRequired: 2 }, 'countRequired'],
    [{ strategy: 'threshold', strategyParams: '3/2' }, 'strategy_params'],
    [{ strategy: 'threshold', strategyParams: '0/2' }, 'strategy_params'],
    [{ strategy: 'threshold', strategyParams: '101/102' }, 'strategy_params'],
    [{ strategy: 'threshold', strategyParams: '2/3', countRequired: 3 }, 'strategy_params'],
    [{ strategy: 'threshold', percentageRequired: 50, countRequired: 3 }, 'strategy_params'],
    [{ strategy: 'threshold', percentageRequired: 50, strategyParams: '51' }, 'strategy_params'],
  ])('%j is refused', (input, field) => {
    expect(readStrategy(input).errors).toHaveProperty(field);
  });

  test('what is read back reads the same', () => {
    for (const strategy of [...strategyNames.slice(0, 3).map(bare), percent(0), percent(66), count(2, 3), count(100)]) {
      const { strategy: name, strategyParams, countRequired } = strategy;
      const sent = {
        strategy: name,
        strategyParams: strategyParams ?? undefined,
        countRequired: countRequired ?? undefined,
        percentageRequired: percentageOf(strategy) ?? undefined,
      };
      expect(readStrategy(sent).strategy).toEqual(strategy);
    }
    expect(acceptedNames).toHaveLength(8);
  });

  test('a parameter alone changes a strategy that has one', () => {
    expect(withParameter(percent(10), count(2, 3))).toEqual(count(2, 3));
    expect(withParameter(count(2), percent(10))).toEqual(percent(10));
    expect(withParameter(bare('unanimous'), percent(10))).toEqual(bare('unanimous'));
  });
});

/** One ballot: voted on, not yet, or void. */
type Ballot = 'yes' | 'no' | 'open' | 'void';

/**
 * The end of a poll from the list of its ballots, written from the contract's words and not from the code: the brute
 * force below asks it for every way in which a poll can go on.
 */
function end(rules: Strategy & { quorumSize: number }, ballots: readonly Ballot[]): Outcome {
  const left = ballots.filter((ballot) => ballot !== 'void');
  const votes = left.filter((ballot) => ballot !== 'open');
  const yes = votes.filter((vote) => vote === 'yes').length;
  if (left.length === 0 || votes.length === 0) return 'timed_out';
  const share = yes / votes.length;
  const strategyHolds = {
    unanimous: () => !votes.includes('no'),
    consensus: () => share > 1 / 2,
    affirmative: () => votes.includes('yes'),
    minimum_percentage: () => yes * 100 - Number(rules.strategyParams) * votes.length >= 0,
    threshold: () => yes >= Number(rules.strategyParams!.split('/')[0]),
  }[rules.strategy]();
  if (votes.length >= rules.quorumSize) return strategyHolds && yes > 0 ? 'succeeded' : 'rejected';
  return 'failed_quorum';
}

/** Every end of a poll with these ballots: each open one is voted on, stays unanswered, or is voided. */
function ends(rules: Strategy & { quorumSize: number }, ballots: readonly Ballot[]): Set<Outcome> {
  const at = ballots.indexOf('open');
  if (at < 0) return new Set([end(rules, ballots)]);
  const found = new Set<Outcome>();
  const settled = (rest: readonly Ballot[], from: number): void => {
    const next = rest.indexOf('open', from);
    if (next < 0) return void found.add(end(rules, rest));
    for (const fate of ['yes', 'no', 'open', 'void'] as const)
      settled([...rest.slice(0, next), fate, ...rest.slice(next + 1)], next + 1);
  };
  settled(ballots, at);
  return found;
}

/** Ballots in every combination; their order is of no account. */
function combinations(most: number): Array<readonly Ballot[]> {
  const all: Array<readonly Ballot[]> = [];
  for (let yes = 0; yes <= most; yes++)
    for (let no = 0; yes + no <= most; no++)
      for (let open = 0; yes + no + open <= most; open++)
        for (let gone = 0; yes + no + open + gone <= most; gone++)
          if (yes + no + open + gone > 0)
            all.push([
              ...Array<Ballot>(yes).fill('yes'),
              ...Array<Ballot>(no).fill('no'),
              ...Array<Ballot>(open).fill('open'),
              ...Array<Ballot>(gone).fill('void'),
            ]);
  return all;
}

function tallyOf(ballots: readonly Ballot[]): Tally {
  const of = (kind: Ballot) => ballots.filter((ballot) => ballot === kind).length;
  return { yes: of('yes'), no: of('no'), open: of('open') };
}

const parameters: readonly Strategy[] = [
  bare('unanimous'),
  bare('consensus'),
  bare('affirmative'),
  ...[0, 1, 10, 25, 33, 34, 49, 50, 51, 60, 66, 67, 75, 99, 100].map(percent),
  ...[1, 2, 3, 4, 5, 6, 7].map((n) => count(n)),
];

describe('a poll of up to 6 ballots, in every combination', () => {
  const cases = combinations(6);

  describe.each(parameters)('under $strategy $strategyParams', (strategy) => {
    test.each([1, 2, 3, 4, 5, 6, 7])('with quorum %i', (quorumSize) => {
      const rules = { ...strategy, quorumSize };
      for (const ballots of cases) {
        const tally = tallyOf(ballots);
        const possible = ends(rules, ballots);
        const early = verdict(rules, tally, false);
        const context = JSON.stringify({ rules, tally, possible: [...possible] });
        const answered = tally.yes + tally.no;
        // Held early: exactly when every way to go on ends so.
        expect([context, early === 'succeeded']).toEqual([context, possible.size === 1 && possible.has('succeeded')]);
        // Failed early: exactly when no way to go on succeeds. But while nobody has answered, too few ballots for the
        // quorum are no end yet: the poll times out, or fails its quorum with the first answer.
        const silent = answered === 0 && tally.open > 0 && tally.open < quorumSize;
        const tooFew = strategy.strategy === 'threshold' && tally.open < strategy.countRequired!;
        expect([context, early !== null]).toEqual([
          context,
          early === 'succeeded' || (!possible.has('succeeded') && (!silent || tooFew)),
        ]);
        // The name of a failure: as the ways to go on end, or `rejected` where the strategy is what cannot hold.
        if (early !== null && early !== 'rejected')
          expect([context, [...possible]]).toEqual([context, expect.arrayContaining([early])]);
        if (early === 'failed_quorum' || early === 'timed_out')
          expect([context, [...possible]]).toEqual([context, [early]]);
        // Time is over: the votes there are decide.
        const late = verdict(rules, tally, true);
        if (early === null || early === 'succeeded') expect([context, late]).toEqual([context, end(rules, ballots)]);
        else expect([context, late]).toEqual([context, early]);
      }
    });
  });

  test('the words of the contract at its edges', () => {
    const rules = { ...bare('consensus'), quorumSize: 1 };
    expect(verdict(rules, { yes: 2, no: 2, open: 0 }, false)).toBe('rejected');
    expect(verdict(rules, { yes: 3, no: 0, open: 2 }, false)).toBe('succeeded');
    expect(verdict({ ...percent(3), quorumSize: 1 }, { yes: 1, no: 5, open: 0 }, false)).toBe('succeeded');
    expect(verdict({ ...percent(0), quorumSize: 1 }, { yes: 0, no: 3, open: 0 }, false)).toBe('rejected');
    expect(verdict({ ...bare('affirmative'), quorumSize: 2 }, { yes: 1, no: 0, open: 1 }, false)).toBeNull();
    expect(verdict({ ...bare('affirmative'), quorumSize: 2 }, { yes: 1, no: 0, open: 1 }, true)).toBe('failed_quorum');
    expect(verdict({ ...bare('affirmative'), quorumSize: 2 }, { yes: 0, no: 0, open: 1 }, false)).toBeNull();
    expect(verdict({ ...bare('unanimous'), quorumSize: 3 }, { yes: 0, no: 1, open: 4 }, false)).toBe('rejected');
    expect(verdict(rules, { yes: 0, no: 0, open: 0 }, false)).toBe('timed_out');
  });
});

describe('a verdict on any poll', () => {
  const anyStrategy = fc.oneof(
    fc.constantFrom(bare('unanimous'), bare('consensus'), bare('affirmative')),
    fc.integer({ min: 0, max: 100 }).map(percent),
    fc.integer({ min: 1, max: 100 }).map((n) => count(n)),
  );
  const anyRules = fc
    .tuple(anyStrategy, fc.integer({ min: 1, max: 100 }))
    .map(([s, quorumSize]) => ({ ...s, quorumSize }));
  const few = fc.integer({ min: 0, max: 60 });
  const anyTally = fc.record({ yes: few, no: few, open: few });

  test('stands, whatever one more voter does', () => {
    fc.assert(
      fc.property(anyRules, anyTally, fc.constantFrom('yes', 'no', 'void'), (rules, tally, fate) => {
        const before = verdict(rules, tally, false);
        if (before === null || tally.open === 0) return;
        const { open, ...votes } = tally;
        const after = verdict(
          rules,
          { ...votes, open: open - 1, ...(fate === 'void' ? {} : { [fate]: votes[fate] + 1 }) },
          false,
        );
        // Only the name of a failure may change: the last open ballot of a silent poll is voided.
        expect(after === 'succeeded').toBe(before === 'succeeded');
        expect(after).not.toBeNull();
      }),
    );
  });

  test('is there once nobody can vote any more, and needs a yes and the quorum to succeed', () => {
    fc.assert(
      fc.property(anyRules, anyTally, fc.boolean(), (rules, tally, timeIsOver) => {
        const outcome = verdict(rules, tally, timeIsOver);
        if (tally.open === 0 || timeIsOver) expect(outcome).not.toBeNull();
        if (outcome !== 'succeeded') return;
        expect(tally.yes).toBeGreaterThanOrEqual(1);
        expect(tally.yes + tally.no).toBeGreaterThanOrEqual(rules.quorumSize);
      }),
    );
  });

  test('can only be reached with as many ballots as quorum and count ask for', () => {
    fc.assert(
      fc.property(anyRules, few, (rules, ballots) => {
        const possible = verdict(rules, { yes: ballots, no: 0, open: 0 }, false) === 'succeeded';
        expect(ballots >= required({ ...defaultRules, ...rules })).toBe(possible);
      }),
    );
  });
});
