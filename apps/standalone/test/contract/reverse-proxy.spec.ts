import { EventStore, type Recorded } from '@symbolon/kernel';
import { PersonalBoxes } from '@symbolon/crypto';
import { password, type TestAnswer, TestServer } from '@symbolon/testing';

let server: TestServer;

const behind = (...addresses: string[]) => ({ 'x-forwarded-for': addresses.join(', ') });

afterEach(() => server.stop());

function start(environment: Record<string, string>): Promise<TestServer> {
  return TestServer.start({ environment });
}

const left = ({ headers }: TestAnswer) => /r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];

describe('behind a trusted proxy', () => {
  beforeEach(async () => {
    server = await start({
      SYMBOLON_TRUSTED_PROXIES: '127.0.0.0/8,10.0.0.0/8',
      SYMBOLON_RATE_ADDRESS_PER_MINUTE: '40',
    });
  });

  test('limits count by the address that it tells, whatever the client wrote before', async () => {
    const ask = (...addresses: string[]) => server.get('/health/live', { headers: behind(...addresses) });
    expect(left(await ask('192.0.2.7'))).toBe('39');
    expect(left(await ask('203.0.113.1', '192.0.2.7'))).toBe('38');
    expect(left(await ask('203.0.113.2', '192.0.2.7', '10.1.2.3'))).toBe('37');
    expect(left(await ask('192.0.2.8'))).toBe('39');
    expect(left(await server.get('/health/live'))).toBe('39');
  });

  test('a lockout concerns the pair of username and client', async () => {
    const { username } = await server.profile({ withKey: false });
    const login = async (address: string, text: string) =>
      (await server.post('/profile/authenticate', { json: { username, password: text }, headers: behind(address) }))
        .status;
    for (let failure = 1; failure <= 5; failure++) expect(await login('192.0.2.7', 'wrong password')).toBe(401);
    expect(await login('192.0.2.7', password)).toBe(429);
    expect(await login('192.0.2.8', password)).toBe(200);
  });

  test('events hold the address of the client', async () => {
    const { profileId, token } = await server.profile({ withKey: false });
    const publicKey = (await server.get('/public-key/generate-keys', { token })).body.publicKey;
    const { status } = await server.post('/public-key/register-public-key', {
      token,
      json: { publicKey },
      headers: behind('2001:db8::7'),
      wait: 20,
    });
    expect(status).toBe(200);
    const [registered] = (await eventsOf(`profile-${profileId}`)).filter(
      ({ type }) => type === 'public_key.registered',
    );
    const fields = await server.served.app.get(PersonalBoxes).open(registered!, profileId);
    expect(fields).toMatchObject({ ip: '2001:db8::7' });
  });
});

test('where no proxy is declared, what the header says counts for nothing', async () => {
  server = await start({ SYMBOLON_RATE_ADDRESS_PER_MINUTE: '40' });
  expect(left(await server.get('/health/live', { headers: behind('192.0.2.7') }))).toBe('39');
  expect(left(await server.get('/health/live', { headers: behind('192.0.2.8') }))).toBe('38');
});

async function eventsOf(stream: string): Promise<Recorded[]> {
  const events: Recorded[] = [];
  for await (const event of server.served.app.get(EventStore).read(stream)) events.push(event);
  return events;
}
