import type { IncomingMessage } from 'node:http';
import { ClientAddresses } from './client-addresses';

const trusted = ['10.0.0.0/8', '2001:db8::/64'];

function addressOf(remoteAddress: string, forwarded?: string, proxies: readonly string[] = trusted): string | null {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return new ClientAddresses(proxies).of({ socket: { remoteAddress }, headers } as IncomingMessage);
}

test.each([
  ['192.0.2.7', undefined, '192.0.2.7'],
  ['::ffff:192.0.2.7', undefined, '192.0.2.7'],
  ['10.0.0.1', undefined, '10.0.0.1'],
  ['10.0.0.1', '', '10.0.0.1'],
  ['10.0.0.1', '192.0.2.7', '192.0.2.7'],
  ['::ffff:10.0.0.1', '192.0.2.7', '192.0.2.7'],
  ['2001:db8::5', '2001:db9::7', '2001:db9::7'],
  ['10.0.0.1', '192.0.2.7, 10.0.0.2', '192.0.2.7'],
  ['10.0.0.1', '10.0.0.3,10.0.0.2', '10.0.0.3'],
  ['10.0.0.1', '192.0.2.7:4711', '192.0.2.7'],
  ['10.0.0.1', '[2001:db9::7]:4711', '2001:db9::7'],
])('from %s with %p it is %s', (remote, forwarded, expected) => {
  expect(addressOf(remote, forwarded)).toBe(expected);
});

test.each([
  ['a client that is no trusted proxy', '192.0.2.7', '203.0.113.9', '192.0.2.7'],
  ['what a client wrote before its proxy did', '10.0.0.1', '203.0.113.9, 192.0.2.7', '192.0.2.7'],
  ['a proxy that the client claims to be behind', '10.0.0.1', '203.0.113.9, 10.0.0.9, 192.0.2.7', '192.0.2.7'],
  ['what is no address', '10.0.0.1', '192.0.2.7, unknown', '10.0.0.1'],
])('%s is not believed', (_, remote, forwarded, expected) => expect(addressOf(remote, forwarded)).toBe(expected));

test('where no proxy is trusted, the header says nothing', () => {
  expect(addressOf('127.0.0.1', '203.0.113.9', [])).toBe('127.0.0.1');
});
