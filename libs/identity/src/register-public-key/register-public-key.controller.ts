import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { parsePublicKey } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, PublicKeyField, SigningKeyField, UuidField } from '@symbolon/http';
import { FirstKeys } from '../profile/first-keys';
import { Profiles } from '../profile/profiles.query';
import { RegisterPublicKey } from './register-public-key.command';

class RegisterPublicKeyBody {
  @PublicKeyField()
  publicKey!: string;

  @SigningKeyField({ optional: true })
  signingKey?: string;

  @UuidField({ optional: true, description: 'A pending or approved device of mine' })
  deviceIdentifier?: string;
}

@Controller()
export class RegisterPublicKeyController {
  constructor(
    private readonly commands: Commands,
    private readonly profiles: Profiles,
    private readonly firstKeys: FirstKeys,
  ) {}

  @Endpoint({
    row: 20,
    name: 'Register public key',
    group: 'Public key',
    verb: 'POST',
    path: '/public-key/register-public-key',
    access: 'T',
    device: true,
    command: true,
  })
  async register(@Body() body: RegisterPublicKeyBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { hex: publicKey, fingerprint } = parsePublicKey(body.publicKey);
    const { deviceIdentifier = null, signingKey = null } = body;
    const input = { deviceIdentifier, publicKey, signingKey, fingerprint };
    const submission = { type: RegisterPublicKey.type, caller, input, fields: body };
    const earlier = await this.commands.earlier(submission);
    if (earlier) return new Accepted(earlier);
    const holder = await this.profiles.keyHolder(caller.actor, caller.profileId, deviceIdentifier);
    // The first key opens nothing that was closed. One that is there already may be another when its turn comes.
    const first = holder === null || (await this.firstKeys.begin(holder, input, caller));
    const operation = first ? null : 'public_key.replaced';
    return new Accepted(await this.commands.submit({ ...submission, operation }));
  }
}
