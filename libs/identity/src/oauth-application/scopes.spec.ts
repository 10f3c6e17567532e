import { allScopes, scopesOf } from './scopes';

test('there are profile:read, and read and write of seven groups', () => {
  expect(allScopes).toHaveLength(15);
  expect(allScopes).toEqual(expect.arrayContaining(['profile:read', 'data-token:write', 'voting:read']));
  expect(allScopes).not.toContain('profile:write');
});

test.each([
  [['all'], allScopes, allScopes],
  [['all'], ['device:read'], ['device:read']],
  [
    ['all', 'device:read'],
    ['device:read', 'device:write'],
    ['device:read', 'device:write'],
  ],
  [['device:write', 'device:read', 'device:write'], allScopes, ['device:read', 'device:write']],
  [['device:write'], ['device:read'], null],
  [['profile:write'], allScopes, null],
  [['all', 'everything'], allScopes, null],
])('%j of what is allowed', (asked, allowed, expected) => {
  expect(scopesOf(asked, allowed)).toEqual(expected);
});
