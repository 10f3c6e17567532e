import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { parsePublicKey } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, PublicKeyField, SigningKeyField, UuidField } from '@symbolon/http';
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
    const profileId = body.deviceIdentifier ?? caller.profileId;
    const input = { profileId, publicKey, signingKey: body.signingKey ?? null, fingerprint };
    // Policies may guard a key that is there; the first one opens nothing that was closed.
    const operation = (await this.profiles.replacesKey(profileId, input)) ? 'public_key.replaced' : null;
    const submission = { type: RegisterPublicKey.type, caller, input, fields: body, operation } as const;
    return new Accepted(await this.commands.submit(submission));
  }
}
