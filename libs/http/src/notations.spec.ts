import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { parseForm, parseQuery, isMalformed } from './body';
import { BoolField, IntField, isUuid, ListField, ObjectField, TextField } from './fields';
import { ListQuery } from './list';

const [one, two] = ['0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10', '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b11'];

class Fields {
  @ListField(1, 3, isUuid, { optional: true })
  ids?: string[];

  @ObjectField({ optional: true, limit: 40 })
  meta?: Record<string, unknown>;

  @BoolField(false)
  sealed!: boolean;

  @IntField(-5, 60, { default: 5 })
  ttl!: number;

  @TextField(0, 5, { optional: true })
  text?: string;
}

/** The field set as a controller gets it, or the names of the fields that are refused. */
function read(given: object): Fields | string[] {
  const fields = plainToInstance(Fields, given);
  const errors = validateSync(fields);
  return errors.length > 0 ? errors.map(({ property }) => property) : fields;
}

describe('a list', () => {
  test.each([
    ['brackets', `ids[]=${one}&ids[]=${two}`],
    ['brackets, percent-encoded', `ids%5B%5D=${one}&ids%5B%5D=${two}`],
    ['numbered brackets', `ids[0]=${one}&ids[1]=${two}`],
    ['commas', `ids=${one}%2C${two}`],
    ['JSON text', `ids=${encodeURIComponent(JSON.stringify([one, two]))}`],
  ])('may be written with %s', (_, text) => {
    expect(read(parseForm(text))).toMatchObject({ ids: [one, two] });
  });

  test('may be a JSON array, and of one entry without any sign of a list', () => {
    expect(read({ ids: [one, two] })).toMatchObject({ ids: [one, two] });
    expect(read(parseForm(`ids=${one}`))).toMatchObject({ ids: [one] });
  });

  test.each([[[]], [[one, one, one, one]], [['x']], [5], ['x,y'], [{ a: 'x' }]])('is refused as %j', (ids) => {
    expect(read({ ids })).toEqual(['ids']);
  });

  test.each([[''], [null], [undefined]])('is absent as %j', (ids) => {
    expect(read({ ids })).toMatchObject({ ids: undefined });
  });
});

describe('an object', () => {
  test.each([
    ['brackets', parseForm('meta[file][name]=a.txt')],
    ['JSON text', parseForm(`meta=${encodeURIComponent('{"file":{"name":"a.txt"}}')}`)],
    ['JSON', { meta: { file: { name: 'a.txt' } } }],
  ])('may be written with %s', (_, given) => {
    expect(read(given)).toMatchObject({ meta: { file: { name: 'a.txt' } } });
  });

  test.each([['text'], ['{'], [[1]], ['[1]'], [5], [{ a: 'x'.repeat(40) }]])('is refused as %j', (meta) => {
    expect(read({ meta })).toEqual(['meta']);
  });
});

describe('scalars', () => {
  test.each([
    ['true', true],
    ['1', true],
    [1, true],
    [true, true],
    ['false', false],
    ['0', false],
    [0, false],
    [false, false],
    ['', false],
    [null, false],
  ])('the boolean %j is %s', (sealed, value) => {
    expect(read({ sealed })).toMatchObject({ sealed: value });
  });

  test.each([['yes'], ['TRUE'], [2], [[true]]])('the boolean %j is refused', (sealed) => {
    expect(read({ sealed })).toEqual(['sealed']);
  });

  test.each([
    [7, 7],
    ['7', 7],
    ['-5', -5],
    ['', 5],
    [null, 5],
    [undefined, 5],
  ])('the integer %j is %s', (ttl, value) => {
    expect(read({ ttl })).toMatchObject({ ttl: value });
  });

  test.each([[61], ['61'], [1.5], ['1.5'], ['7 '], ['0x7'], ['1e1'], [true], [[7]], ['9'.repeat(30)]])(
    'the integer %j is refused',
    (ttl) => expect(read({ ttl })).toEqual(['ttl']),
  );

  test('text counts code points and keeps its white space', () => {
    expect(read({ text: '🦊🦊🦊🦊🦊' })).toMatchObject({ text: '🦊🦊🦊🦊🦊' });
    expect(read({ text: ' a ' })).toMatchObject({ text: ' a ' });
    expect(read({ text: '' })).toMatchObject({ text: '' });
    expect(read({ text: '🦊🦊🦊🦊🦊🦊' })).toEqual(['text']);
    expect(read({ text: '\ud83e' })).toEqual(['text']);
  });
});

describe('forms', () => {
  test('a plus is a space, and of two the last counts', () => {
    expect(parseForm('a=1&a=x+y%2B')).toEqual({ a: 'x y+' });
    expect(parseForm('a[b]=1&a[b]=2')).toEqual({ a: { b: '2' } });
  });

  test('what is no percent-encoded UTF-8 is refused, in a query later', () => {
    for (const text of ['a=%', 'a=%zz', '%ff=1', 'a=%c3%28', 'a=%ed%a0%80']) {
      expect(() => parseForm(text)).toThrow('request_malformed');
      expect(isMalformed(parseQuery(text))).toBe(true);
    }
    expect(isMalformed(parseQuery('a=1'))).toBe(false);
  });

  test('names that belong to objects never get through', () => {
    expect(parseForm('__proto__[x]=1&constructor=2&a[__proto__][x]=1&b=2')).toEqual({ b: '2' });
  });
});

test('lists begin at page 1 with 25 entries, also where the parameters are empty', () => {
  expect(plainToInstance(ListQuery, {})).toMatchObject({ page: 1, perPage: 25 });
  expect(plainToInstance(ListQuery, parseQuery('page=&perPage='))).toMatchObject({ page: 1, perPage: 25 });
});
