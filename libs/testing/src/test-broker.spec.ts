import { TestBroker } from './test-broker';

test('a broker of its own starts, keeps its data over a restart, and leaves nothing behind', async () => {
  const broker = await TestBroker.start();
  try {
    await broker.manage('PUT', '/vhosts/kept');
    await broker.halt();
    await expect(broker.manage('GET', '/overview')).rejects.toThrow();
    await broker.begin();
    expect((await broker.manage('GET', '/vhosts/kept')).name).toBe('kept');
  } finally {
    await broker.stop();
  }
  await expect(broker.manage('GET', '/overview')).rejects.toThrow();
}, 120_000);
