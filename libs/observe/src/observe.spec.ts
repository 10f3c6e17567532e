import { inspect } from 'node:util';
import { correlate, createLogger, listenMetrics, Metrics, Secret } from './index';

const token = `T-${'aZ0_-'.repeat(8)}xyz`;
const auth = 'q'.repeat(43);

function logged(log: (logger: ReturnType<typeof createLogger>) => void): {
  line: string;
  fields: Record<string, unknown>;
} {
  const lines: string[] = [];
  log(createLogger({ write: (line) => lines.push(line) }));
  expect(lines).toHaveLength(1);
  return { line: lines[0] as string, fields: JSON.parse(lines[0] as string) };
}

describe('a secret', () => {
  const secret = new Secret({ password: 'hunter2' });

  test('is shown by no way but reveal', () => {
    expect(secret.reveal()).toEqual({ password: 'hunter2' });
    const ways = [
      JSON.stringify({ secret }),
      inspect({ deep: { secret } }, { showHidden: true, depth: 9 }),
      `${secret as unknown as string}`,
      String(secret),
      secret.toString(),
      Object.entries(secret).join(),
      logged((logger) => logger.info({ made: secret }, 'made')).line,
    ];
    for (const way of ways) expect(way).not.toContain('hunter2');
    expect(ways[0]).toBe('{"secret":"[secret]"}');
  });
});

describe('the logger', () => {
  test('writes one JSON object per line with level, time, fields and message', () => {
    const { line, fields } = logged((logger) => logger.warn({ attempt: 2 }, 'command will be tried again'));
    expect(line.endsWith('\n')).toBe(true);
    expect(fields).toMatchObject({ level: 'warn', attempt: 2, msg: 'command will be tried again' });
    expect(Date.parse(String(fields['at']))).not.toBeNaN();
  });

  test('masks members named like secrets and personal data at any depth', () => {
    const { line, fields } = logged((logger) =>
      logger.info(
        {
          password: 'hunter2',
          request: { headers: { 'X-DPT-AUTHORIZATION': 'hunter2', cookie: 'hunter2' }, body: { anything: 'hunter2' } },
          list: [{ client_secret: 'hunter2' }, { userAgent: 'hunter2', kept: 'kept' }],
        },
        'asked',
      ),
    );
    expect(line).not.toContain('hunter2');
    expect(fields['list']).toEqual([{ client_secret: '[redacted]' }, { userAgent: '[redacted]', kept: 'kept' }]);
  });

  test('masks what has the form of a secret in any text', () => {
    const { line } = logged((logger) =>
      logger.error(
        {
          error: new Error(`no such token ${token}`),
          url: `http://127.0.0.1:8009/upstream/?auth=${auth}`,
          tried: [`dt_${auth}`],
        },
        `gave up on ${auth} at postgres://app:hunter2@db/vault`,
      ),
    );
    for (const secret of [token, token.slice(2), auth, 'hunter2']) expect(line).not.toContain(secret);
    expect(line).toContain('/upstream/?auth=[redacted]');
    expect(line).toContain('postgres://app:[redacted]@db/vault');
  });

  test('leaves ids and names of streams readable', () => {
    const id = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
    expect(logged((logger) => logger.info({ commandId: id, stream: `token-${id}` }, 'settled')).fields).toMatchObject({
      commandId: id,
      stream: `token-${id}`,
    });
  });

  test('shows of an error its name, message, stack, code and cause, and none of its other members', () => {
    const cause = Object.assign(new Error('write failed'), { code: 'ENOSPC', parameters: ['hunter2'] });
    const { line, fields } = logged((logger) =>
      logger.error({ error: Object.assign(new Error('full', { cause }), { query: 'hunter2' }) }, 'failed'),
    );
    expect(fields['error']).toMatchObject({
      name: 'Error',
      message: 'full',
      cause: { message: 'write failed', code: 'ENOSPC' },
    });
    expect(line).not.toContain('hunter2');
  });

  test('writes nothing below its level', () => {
    const lines: string[] = [];
    createLogger({ level: 'warn', write: (line) => lines.push(line) }).info({}, 'hello');
    expect(lines).toEqual([]);
  });

  test('carries the correlation of the running code, also behind an await', async () => {
    const lines: string[] = [];
    const logger = createLogger({ write: (line) => lines.push(line) });
    await correlate({ correlationId: 'c1', commandId: 'k1' }, async () => {
      await Promise.resolve();
      logger.info({}, 'inside');
    });
    logger.info({}, 'outside');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ correlationId: 'c1', commandId: 'k1', msg: 'inside' }),
      expect.not.objectContaining({ correlationId: 'c1' }),
    ]);
  });
});

describe('metrics', () => {
  const id = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';

  test('count what happened, by names of the code', async () => {
    const metrics = new Metrics();
    metrics.commandAccepted('data-token/reserve-token-space');
    metrics.commandSettled('data-token/reserve-token-space', 'succeeded', 0.004);
    metrics.appended('appended', 0.001);
    metrics.projection('vault.token-list', 1.5, true);
    metrics.deviceMessage('in', 'storage.write_ack', 'taken');
    metrics.transfer('up', 'exchange', 'complete', 400);
    const { body } = await metrics.text();
    for (const line of [
      'symbolon_commands_accepted_total{type="data-token/reserve-token-space"} 1',
      'symbolon_commands_settled_total{type="data-token/reserve-token-space",outcome="succeeded"} 1',
      'symbolon_command_seconds_bucket{le="0.005",type="data-token/reserve-token-space"} 1',
      'symbolon_append_seconds_count{outcome="appended"} 1',
      'symbolon_projection_lag_seconds{projection="vault.token-list"} 1.5',
      'symbolon_projection_stalled{projection="vault.token-list"} 1',
      'symbolon_device_messages_total{direction="in",type="storage.write_ack",outcome="taken"} 1',
      'symbolon_transfers_total{direction="up",purpose="exchange",outcome="complete"} 1',
      'symbolon_transferred_bytes_total{direction="up"} 400',
    ]) {
      expect(body).toContain(line);
    }
  });

  test('make no label of ids, tokens, addresses or of more names than there can be', async () => {
    const metrics = new Metrics();
    for (const type of [id, token, 'ada@example.org', '192.0.2.7', 'a'.repeat(65), '']) metrics.commandAccepted(type);
    const name = (index: number) => `t${'a'.repeat(1 + (index % 20))}${'b'.repeat(1 + Math.floor(index / 20))}`;
    for (let index = 0; index < 300; index++) metrics.deviceMessage('in', name(index), 'refused');
    const { body } = await metrics.text();
    expect(body).toContain('symbolon_commands_accepted_total{type="other"} 6');
    expect(body).toContain('symbolon_device_messages_total{direction="in",type="other",outcome="refused"} 44');
    for (const value of [id, token, 'ada', '192.0.2.7']) expect(body).not.toContain(value);
  });

  test('are served on a listener of their own, under one path', async () => {
    const listener = await listenMetrics(new Metrics(), { host: '127.0.0.1', port: 0 });
    try {
      const at = `http://127.0.0.1:${listener.port}`;
      const answer = await fetch(`${at}/metrics`);
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
      expect(await answer.text()).toContain('process_resident_memory_bytes');
      expect((await fetch(`${at}/`)).status).toBe(404);
      expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(405);
      await expect(listenMetrics(new Metrics(), { host: '127.0.0.1', port: listener.port })).rejects.toThrow(
        'EADDRINUSE',
      );
    } finally {
      await listener.close();
    }
  });
});
