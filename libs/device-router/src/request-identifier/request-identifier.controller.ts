import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { KeyStore, mintSecret, PasswordVerifiers, uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, ObjectField, PublicKeyField, SigningKeyField, TextField } from '@symbolon/http';
import { RequestIdentifier, type RequestIdentifierInput } from './request-identifier.command';

class RequestIdentifierBody {
  @TextField(1, 100)
  deviceName!: string;

  @PublicKeyField({ optional: true })
  publicKey?: string;

  @SigningKeyField({ optional: true })
  signingKey?: string;

  @ObjectField({ optional: true })
  meta?: object;
}

@Controller()
export class RequestIdentifierController {
  constructor(
    private readonly commands: Commands,
    private readonly keys: KeyStore,
    private readonly passwords: PasswordVerifiers,
  ) {}

  @Endpoint({
    row: 35,
    name: 'Request unique identifier (Register new device)',
    group: 'Device',
    verb: 'POST',
    path: '/device/request-unique-identifier',
    access: 'K',
    scope: 'device:write',
    command: true,
  })
  async request(@Body() body: RequestIdentifierBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const submission = { type: RequestIdentifier.type, caller, fields: body };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);

    const password = mintSecret();
    const { keyId: loginKeyId, sealed: loginOnce } = await this.keys.sealOnce(password);
    const input: RequestIdentifierInput = {
      deviceIdentifier: uuid7(),
      clientId: uuid7(),
      deviceName: body.deviceName,
      meta: body.meta ?? null,
      passwordHash: await this.passwords.hash(password),
      loginKeyId,
      loginOnce,
      publicKey: body.publicKey ?? null,
      signingKey: body.signingKey ?? null,
    };
    return new Accepted(await this.commands.submit({ ...submission, input }));
  }
}
