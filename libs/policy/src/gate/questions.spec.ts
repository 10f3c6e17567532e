import { type PolicyEventId, policyEvents } from '@symbolon/contracts';
import { questionFor, type Subject } from './questions';

const nobody: Subject = {
  who: 'ada@example.org',
  application: null,
  authorized: null,
  address: null,
  context: null,
  classification: null,
  device: null,
  name: null,
  value: null,
};

describe('the question of a vote', () => {
  test.each<[PolicyEventId, Partial<Subject>, string]>([
    ['data_token.data_requested', { context: 'invoices/2026' }, 'retrieve data from "invoices/2026"?'],
    ['profile.authenticate', { address: '192.0.2.7' }, 'sign in from 192.0.2.7?'],
    ['oauth.authorize', { authorized: 'Backup' }, 'authorize the application "Backup"?'],
    [
      'data_token.security_meta_configured',
      { context: 'a', classification: 'public' },
      'change the classification of data in "a" to "public"?',
    ],
    ['device.removed', { device: 'attic server' }, 'remove the device "attic server"?'],
    ['authenticator.removed', { device: 'phone' }, 'no longer let the device "phone" vote?'],
    ['voting.quorum_size_set', { value: '1' }, 'set the quorum to 1?'],
    ['voting.quorum_strategy_set', { value: 'threshold 1/2' }, 'set the voting strategy to threshold 1/2?'],
    ['voting.time_limit_set', { value: '60' }, 'set the voting time limit to 60 seconds?'],
    ['policy.deactivated', { name: 'night' }, 'deactivate the policy "night"?'],
  ])('of %s with %p', (id, subject, question) =>
    expect(questionFor(id, { ...nobody, ...subject })).toBe(`Allow ada@example.org to ${question}`),
  );

  test('names the application that asks', () =>
    expect(questionFor('data_token.deleted', { ...nobody, application: 'Backup' })).toBe(
      'Allow ada@example.org (through "Backup") to delete data?',
    ));

  test('is a sentence also where nothing is known', () => {
    for (const id of Object.keys(policyEvents) as PolicyEventId[])
      expect(questionFor(id, nobody)).toMatch(/^Allow ada@example\.org to [a-z][^"]+\?$/);
  });
});
