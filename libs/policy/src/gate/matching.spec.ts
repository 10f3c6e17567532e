import type { Configuration } from '../policy/configuration';
import { type Facts, matches } from './matching';

const application = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
const other = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b11';
const none: Facts = {
  applicationId: null,
  address: null,
  newAddress: true,
  context: null,
  classification: [],
  label: [],
  handling: [],
  size: null,
  devices: [],
};

/** Each key beside facts under which it holds, and facts under which it does not. */
const keys: ReadonlyArray<[Configuration, Partial<Facts>, Partial<Facts>]> = [
  [{ classification: 'secret' }, { classification: ['secret'] }, { classification: ['internal'] }],
  [{ classification: 'secret' }, { classification: ['internal', 'secret'] }, {}],
  [{ classification: ['secret', 'top'] }, { classification: ['top'] }, { classification: ['Top'] }],
  [{ label: 'a' }, { label: ['a'] }, { label: ['a '] }],
  [{ handling: ['a', 'b'] }, { handling: ['b'] }, { handling: ['c'] }],
  [{ context: 'invoices/2026' }, { context: 'invoices/2026' }, { context: 'invoices/2026/1' }],
  [{ context: 'invoices/*' }, { context: 'invoices/2026' }, { context: 'invoice' }],
  [{ context: 'invoices/*' }, { context: 'invoices/' }, {}],
  [{ context: '*' }, { context: 'anything' }, {}],
  [{ context: 'a*b' }, { context: 'a*b' }, { context: 'axb' }],
  [{ minimumSize: 100 }, { size: 100 }, { size: 99 }],
  [{ minimumSize: 0 }, { size: 0 }, {}],
  [{ applicationId: application }, { applicationId: application }, { applicationId: other }],
  [{ applicationId: [other, application] }, { applicationId: application }, {}],
  [{ applicationId: 'any' }, { applicationId: other }, {}],
  [{ applicationId: [application, 'any'] }, { applicationId: other }, {}],
  [{ exceptAddresses: ['10.0.0.0/8'] }, { address: '192.0.2.7' }, { address: '10.1.2.3' }],
  [{ exceptAddresses: ['10.0.0.0/8'] }, { address: null }, { address: '::ffff:10.1.2.3' }],
  [{ onlyNewAddress: true }, { newAddress: true }, { newAddress: false }],
  [{ deviceIdentifiers: [other] }, { devices: [application, other] }, { devices: [application] }],
];

describe('a policy matches', () => {
  test('everything where nothing is configured', () => expect(matches({}, none)).toBe(true));
  test('whatever the address where only known ones are not excepted', () =>
    expect(matches({ onlyNewAddress: false }, { ...none, newAddress: false })).toBe(true));

  test.each(keys)('%p for %p and not for %p', (configuration, holds, fails) => {
    expect(matches(configuration, { ...none, ...holds })).toBe(true);
    expect(matches(configuration, { ...none, ...fails })).toBe(false);
  });

  test('only where every key holds', () => {
    for (const [first, holds, fails] of keys) {
      for (const [second, alsoHolds] of keys) {
        const [key] = Object.keys(first);
        const facts = Object.keys({ ...holds, ...fails });
        if (Object.keys(second)[0] === key || Object.keys(alsoHolds).some((fact) => facts.includes(fact))) continue;
        const both = { ...first, ...second };
        expect(matches(both, { ...none, ...holds, ...alsoHolds })).toBe(true);
        expect(matches(both, { ...none, ...fails, ...alsoHolds })).toBe(false);
      }
    }
  });
});
