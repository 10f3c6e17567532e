import { type PolicyKey, policyTemplates } from '@symbolon/contracts';
import { type Configuration, readConfiguration } from './configuration';

const id = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
const all = [...new Set(policyTemplates.flatMap(({ configuration }) => configuration))];
const read = (given: Record<string, unknown>) => readConfiguration(given, all);

describe('the configuration of a policy', () => {
  test.each<[Record<string, unknown>, Configuration]>([
    [{}, {}],
    [{ classification: 'secret, very' }, { classification: 'secret, very' }],
    [{ label: ['a', 'b'] }, { label: ['a', 'b'] }],
    [{ handling: 'x'.repeat(100) }, { handling: 'x'.repeat(100) }],
    [{ context: 'invoices/*' }, { context: 'invoices/*' }],
    [{ minimumSize: 0 }, { minimumSize: 0 }],
    [{ minimumSize: '1048576' }, { minimumSize: 1_048_576 }],
    [{ applicationId: 'any' }, { applicationId: 'any' }],
    [{ applicationId: [id] }, { applicationId: [id] }],
    [{ exceptAddresses: ['10.0.0.0/8', '::1'] }, { exceptAddresses: ['10.0.0.0/8', '::1'] }],
    [{ exceptAddresses: '10.0.0.0/8,::1' }, { exceptAddresses: ['10.0.0.0/8', '::1'] }],
    [{ exceptAddresses: '["::1"]' }, { exceptAddresses: ['::1'] }],
    [{ onlyNewAddress: 'true' }, { onlyNewAddress: true }],
    [{ onlyNewAddress: 0 }, { onlyNewAddress: false }],
    [{ deviceIdentifiers: id }, { deviceIdentifiers: [id] }],
  ])('%p is read as %p', (given, configuration) => expect(read(given)).toEqual(configuration));

  test.each<Record<string, unknown>>([
    { colour: 'red' },
    { classification: '' },
    { classification: [] },
    { classification: 7 },
    { label: ['a', ''] },
    { handling: { a: 1 } },
    { context: ['a'] },
    { context: 'x'.repeat(256) },
    { minimumSize: -1 },
    { minimumSize: 1.5 },
    { minimumSize: 'many' },
    { minimumSize: null },
    { applicationId: 'none' },
    { applicationId: [] },
    { exceptAddresses: [] },
    { exceptAddresses: '' },
    { exceptAddresses: ['10.0.0.0/33'] },
    { exceptAddresses: ['localhost'] },
    { exceptAddresses: '[' },
    { onlyNewAddress: 'perhaps' },
    { deviceIdentifiers: [id.toUpperCase()] },
    { deviceIdentifiers: Array.from({ length: 101 }, () => id) },
    { constructor: 'x' },
    { __proto__x: 1 },
  ])('refuses %p', (given) => expect(read(given)).toBeNull());

  test('takes only the keys of the template', () => {
    const sample: Record<PolicyKey, unknown> = {
      classification: 'a',
      label: 'a',
      handling: 'a',
      context: 'a',
      minimumSize: 1,
      applicationId: 'any',
      exceptAddresses: ['::1'],
      onlyNewAddress: true,
      deviceIdentifiers: [id],
    };
    for (const { configuration } of policyTemplates) {
      for (const key of all) {
        const taken = readConfiguration({ [key]: sample[key] }, configuration);
        expect(taken !== null).toBe(configuration.includes(key));
      }
    }
  });
});
