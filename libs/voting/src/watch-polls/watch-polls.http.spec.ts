import { ManualClock } from '@symbolon/kernel';
import { type Taken, TestDevice, TestServer } from '@symbolon/testing';
import { Authenticators } from '../authenticator/authenticators';

test('a vote that came in time counts, though the time is over before it was looked at', async () => {
  const clock = new ManualClock(Date.now());
  const server = await TestServer.start({ clock });
  const ada = await server.profile();
  const device = await TestDevice.of(server, ada, { storage: false });
  const { deviceIdentifier } = device;
  await server.done('/verified-authenticator/register', { deviceIdentifier }, ada.token);
  await device.connect();
  const rules = { name: 'rules', timeLimit: 60, strategy: 'unanimous' };
  await server.done('/verified-authenticator/voting-configuration/register', rules, ada.token);
  const asked = { votingConfigurationId: 'rules', title: 't', question: 'q' };
  const { poolId } = (await server.done('/voting/create', asked, ada.token)).body;
  const issued: Taken = await device.got('ballot.issued');

  // Where the vote is looked at, the time runs out, and the end of the poll is under way.
  const authenticators = server.served.app.get(Authenticators);
  const isEntitled = authenticators.isEntitled.bind(authenticators);
  jest.spyOn(authenticators, 'isEntitled').mockImplementationOnce(async (profileId, id) => {
    clock.advance(61);
    const ending = async () => {
      const sql = `select 1 from engine.deadline where id = $1 and claims > 0`;
      return (await server.database.pool.query(sql, [`voting.poll/${poolId}`])).rowCount === 1;
    };
    while (!(await ending())) await new Promise((resolve) => setImmediate(resolve));
    return isEntitled(profileId, id);
  });
  device.vote(issued, 'yes');
  const status = async () => (await server.get(`/voting/check-pool-status/${poolId}`, ada)).body.status;
  while ((await status()) === 'open') await new Promise((resolve) => setImmediate(resolve));
  expect(await status()).toBe('succeeded');
  await device.leave();
  await server.stop();
});
