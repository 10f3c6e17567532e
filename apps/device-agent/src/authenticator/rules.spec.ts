import type { Ballot, BallotContext } from './ballot';
import { decide, readRules, RulesError } from './rules';

const application = { applicationId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10', name: 'Export' };
const noon = new Date('2026-02-23T12:00:00Z'); // a Monday

function ballot(changes: Partial<Omit<Ballot, 'context'>> & { context?: Partial<BallotContext> } = {}): Ballot {
  const context: BallotContext = {
    requester: { profileId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b11', username: 'ada@example.org' },
    application: null,
    ip: '192.0.2.7',
    userAgent: 'curl/8.5',
    location: null,
    time: '2026-02-23T12:00:00+00:00',
    dataContext: 'invoices/2026',
    classification: null,
    label: null,
    handling: null,
    device: null,
    nonce: null,
    ...changes.context,
  };
  return {
    ballotId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b12',
    poolId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b13',
    operation: 'data_token.data_requested',
    title: 'Retrieve data',
    question: 'Allow it?',
    attempt: 1,
    maxAttempts: 1,
    expiresAt: '2026-02-23T12:05:00+00:00',
    statement: 'a.b.c',
    ...changes,
    context,
  };
}

const rule = (conditions: object) => ({
  name: 'the rule',
  vote: 'yes',
  operation: ['data_token.data_requested'],
  ...conditions,
});

function verdict(conditions: object, asked: Ballot, now = noon, more: object = { timeZone: 'UTC' }): string {
  return decide(readRules(JSON.stringify({ rules: [rule(conditions)], ...more })), asked, now).vote;
}

describe('rules', () => {
  test('vote yes where every condition holds, and no where none speaks of the ballot', () => {
    expect(verdict({}, ballot())).toBe('yes');
    expect(verdict({}, ballot({ operation: 'data_token.deleted' }))).toBe('no');
    expect(decide(readRules('{"rules":[]}'), ballot(), noon)).toEqual({ vote: 'no', rule: null });
    expect(verdict({}, ballot({ operation: 'device.removed' }), noon, { otherwise: 'ask' })).toBe('ask');
  });

  test.each<[string, object, Partial<BallotContext>, Partial<BallotContext>]>([
    ['one application', { application: application.applicationId }, { application }, { application: null }],
    ['any application', { application: 'any' }, { application }, { application: null }],
    ['no application', { application: 'none' }, { application: null }, { application }],
    ['a context', { context: 'invoices/2026' }, {}, { dataContext: 'invoices/2027' }],
    ['the beginning of a context', { context: ['a', 'invoices/*'] }, {}, { dataContext: 'invoice' }],
    ['a context where there is none', { context: '*' }, { dataContext: '' }, { dataContext: null }],
    ['an address', { address: '192.0.2.7' }, {}, { ip: '192.0.2.8' }],
    ['a range', { address: ['10.0.0.0/8', '192.0.2.0/24'] }, {}, { ip: '192.0.3.1' }],
    ['a range of IPv6', { address: '2001:db8::/32' }, { ip: '2001:db8::1' }, { ip: '2001:db9::1' }],
    ['an address that is none', { address: '0.0.0.0/0' }, { ip: '1.2.3.4' }, { ip: 'unknown' }],
    ['an address where there is none', { address: '::/0' }, { ip: '::1' }, { ip: null }],
    ['the other family', { address: '::/0' }, { ip: '2001:db8::1' }, { ip: '192.0.2.7' }],
    ['a mapped address', { address: '192.0.2.0/24' }, { ip: '::ffff:192.0.2.7' }, { ip: '::ffff:192.0.3.7' }],
    ['a mapped range', { address: '::ffff:c000:200/120' }, { ip: '192.0.2.7' }, { ip: '192.0.3.7' }],
  ])('may ask for %s', (_, conditions, right, wrong) => {
    expect(verdict(conditions, ballot({ context: right }))).toBe('yes');
    expect(verdict(conditions, ballot({ context: wrong }))).toBe('no');
  });

  test.each([
    ['08:00-18:00', '2026-02-23T08:00:00Z', 'yes'],
    ['08:00-18:00', '2026-02-23T17:59:59Z', 'yes'],
    ['08:00-18:00', '2026-02-23T18:00:00Z', 'no'],
    ['08:00-18:00', '2026-02-23T07:59:59Z', 'no'],
    ['22:00-05:00', '2026-02-23T23:30:00Z', 'yes'],
    ['22:00-05:00', '2026-02-23T04:59:00Z', 'yes'],
    ['22:00-05:00', '2026-02-23T05:00:00Z', 'no'],
    ['00:00-24:00', '2026-02-23T23:59:00Z', 'yes'],
  ])('may hold %s: at %s %s', (between, at, vote) => {
    expect(verdict({ between }, ballot(), new Date(at))).toBe(vote);
  });

  test('count hours and days in their time zone', () => {
    const late = new Date('2026-02-23T23:30:00Z'); // 00:30 on Tuesday in Berlin
    expect(verdict({ days: ['tue'], between: '00:00-01:00' }, ballot(), late, { timeZone: 'Europe/Berlin' })).toBe(
      'yes',
    );
    expect(verdict({ days: ['tue'] }, ballot(), late)).toBe('no');
    expect(verdict({ days: ['mon'] }, ballot(), late)).toBe('yes');
  });

  test('are asked in their order', () => {
    const rules = readRules(
      JSON.stringify({
        rules: [rule({ name: 'never abroad', vote: 'no', address: '203.0.113.0/24' }), rule({ name: 'else' })],
      }),
    );
    expect(decide(rules, ballot({ context: { ip: '203.0.113.9' } }), noon)).toEqual({
      vote: 'no',
      rule: 'never abroad',
    });
    expect(decide(rules, ballot(), noon)).toEqual({ vote: 'yes', rule: 'else' });
  });

  test.each<[string, unknown, string]>([
    ['not JSON', 'no', 'not JSON'],
    ['a list', [], 'must be a JSON object'],
    ['no rules', {}, '"rules" must be a list'],
    ['a misspelt condition', { rules: [rule({ adress: '10.0.0.0/8' })] }, '"adress"'],
    ['a misspelt member', { rules: [], otherwize: 'no' }, '"otherwize"'],
    ['no operation', { rules: [{ name: 'all', vote: 'yes' }] }, 'needs "operation"'],
    ['an empty condition', { rules: [rule({ context: [] })] }, '"context" of rule 1 is empty'],
    ['another vote', { rules: [rule({ vote: 'maybe' })] }, '"vote" of rule 1'],
    ['yes to everything else', { rules: [], otherwise: 'yes' }, '"otherwise" must be'],
    ['a misspelt operation', { rules: [rule({ operation: 'data_token.data_request' })] }, 'no policy knows'],
    ['a malformed range', { rules: [rule({ address: '10.0.0.0/40' })] }, 'no address range'],
    ['a malformed window', { rules: [rule({ between: '8-18' })] }, '"between" of rule 1'],
    ['an endless window', { rules: [rule({ between: '08:00-08:00' })] }, '"between" of rule 1'],
    ['an unknown day', { rules: [rule({ days: ['day'] })] }, '"days" of rule 1'],
    ['a star in the middle', { rules: [rule({ context: 'a*b' })] }, '"context" of rule 1'],
    ['two rules of one name', { rules: [rule({}), rule({})] }, 'the same name'],
    ['an unknown time zone', { rules: [], timeZone: 'Mars/Olympus' }, '"timeZone"'],
  ])('with %s are refused', (_, file, sentence) => {
    const read = () => readRules(typeof file === 'string' ? file : JSON.stringify(file));
    expect(read).toThrow(RulesError);
    expect(read).toThrow(sentence);
  });
});
