import { Controller, Module } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  type Caller,
  type CommandMessage,
  Commands,
  CommandType,
  type Context,
  type HandlerResult,
  succeeded,
} from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint } from '@symbolon/http';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { correlation, Logger } from '@symbolon/observe';
import { TestServer } from '@symbolon/testing';

@CommandType('test/stumble')
class Stumble implements CommandMessage<object> {
  constructor(
    readonly data: object,
    readonly context: Context,
  ) {}
}

const seen: unknown[] = [];
let stumbles = 0;

@CommandHandler(Stumble)
class StumbleHandler implements ICommandHandler<Stumble> {
  constructor(private readonly log: Logger) {}

  async execute(): Promise<HandlerResult> {
    if (stumbles++ === 0) throw new Error('stumbled');
    await Promise.resolve();
    seen.push(correlation());
    this.log.warn({}, 'the command runs');
    return succeeded(null);
  }
}

@Controller()
class StumbleController {
  constructor(
    private readonly commands: Commands,
    private readonly log: Logger,
  ) {}

  @Endpoint({ name: 'Stumble', group: 'Test', verb: 'POST', path: '/test/stumble', access: 'T', command: true })
  async stumble(@CallerOf() caller: Caller): Promise<Accepted> {
    this.log.warn({}, 'the request runs');
    return new Accepted(await this.commands.submit({ type: 'test/stumble', caller, input: {} }));
  }

  @Endpoint({ name: 'Fall', group: 'Test', verb: 'GET', path: '/test/fall', access: 'none' })
  fall(): never {
    throw new Error('fallen');
  }
}

@Module({ controllers: [StumbleController], providers: [StumbleHandler] })
class StumbleModule {}

let server: TestServer;
const lines: any[] = [];
let written: jest.SpyInstance;

beforeAll(async () => {
  written = jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    for (const line of String(text).split('\n')) if (line.startsWith('{')) lines.push(JSON.parse(line));
    return true;
  });
  server = await TestServer.start({
    environment: { SYMBOLON_LOG_LEVEL: 'warn' },
    contexts: { modules: [IdentityModule, StumbleModule], migrations: identityMigrations, entities: [] },
  });
});

afterAll(async () => {
  await server.stop();
  written.mockRestore();
});

test('what is logged about a request and about its command has one correlation, that of the command’s id', async () => {
  const { token } = await server.profile({ withKey: false });
  const { commandId } = await server.done('/test/stumble', {}, token);
  const about = (msg: string) => lines.find((line) => line.msg === msg);
  expect(about('the request runs')).toMatchObject({ correlationId: commandId });
  expect(about('command will be tried again')).toMatchObject({ correlationId: commandId, commandId });
  expect(about('the command runs')).toMatchObject({ correlationId: commandId, commandId });
  expect(seen).toEqual([{ correlationId: commandId, commandId }]);
});

test('two requests have two correlations', async () => {
  await Promise.all([server.get('/test/fall'), server.get('/test/fall')]);
  const falls = lines.filter(({ msg }) => msg === 'request failed');
  expect(new Set(falls.map(({ correlationId }) => correlationId)).size).toBe(2);
  for (const { correlationId, requestId } of falls) expect(correlationId).toBe(requestId);
});
