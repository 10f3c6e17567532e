import { agrees } from './vote-statement.decide';

const ballot = { iss: 'http://127.0.0.1:8009', op: 'op', nonce: 'nonce' };
const about = {
  ...{ deviceIdentifier: 'device', ballotId: 'ballot', poolId: 'poll', vote: 'yes', ballot, ballotHash: 'hash' },
  votedAt: '2026-02-21T15:33:44.900+00:00',
};
const iat = Date.parse('2026-02-21T15:33:44Z') / 1000;
const claims = {
  iss: 'device',
  aud: ballot.iss,
  poll: 'poll',
  ballot: 'ballot',
  ballotHash: 'hash',
  op: 'op',
  vote: 'yes',
  nonce: 'nonce',
  iat,
};

test('a vote statement agrees with what was said beside it', () => {
  expect(agrees(claims, about)).toBe(true);
  expect(agrees({ ...claims, iat: iat + 1 }, about)).toBe(true);
  expect(agrees({ ...claims, more: 'members' }, about)).toBe(true);
});

test.each(Object.keys(claims))('and with nothing else: %s', (name) => {
  const { [name as 'iss']: _, ...without } = claims;
  expect(agrees(without, about)).toBe(false);
  expect(agrees({ ...claims, [name]: 'other' }, about)).toBe(false);
  expect(agrees({ ...claims, [name]: null }, about)).toBe(false);
});

test('its time is that of the vote, in whole seconds', () => {
  for (const wrong of [iat - 1, iat + 2, iat + 0.5, Number.NaN])
    expect(agrees({ ...claims, iat: wrong }, about)).toBe(false);
  expect(agrees(claims, { ...about, votedAt: 'yesterday' })).toBe(false);
});
