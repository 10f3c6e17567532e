import { Body, Controller } from '@nestjs/common';
import { type Caller, Commands } from '@symbolon/command-log';
import { KeyStore, PasswordVerifiers, uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, invalid, TextField } from '@symbolon/http';
import { requireGoodPassword } from '../profile/password-rules';
import { isUsername, normalisedUsername } from '../profile/username';
import { RegisterProfile } from './register-profile.command';

class RegisterProfileBody {
  @TextField(3, 254)
  username!: string;

  @TextField(8, 256)
  password!: string;
}

@Controller()
export class RegisterProfileController {
  constructor(
    private readonly commands: Commands,
    private readonly keys: KeyStore,
    private readonly passwords: PasswordVerifiers,
  ) {}

  @Endpoint({
    row: 3,
    name: 'Register new profile',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/register-profile',
    access: 'none',
    command: true,
  })
  async register(@Body() body: RegisterProfileBody, @CallerOf() anonymous: Caller): Promise<Accepted> {
    const { username, password } = body;
    if (!isUsername(username)) {
      throw invalid({ username: ['must not hold control characters or begin or end with white space'] });
    }
    requireGoodPassword('password', password, username);

    const profileId = uuid7();
    const caller: Caller = { ...anonymous, actor: { profileId, kind: 'user' } };
    const submission = {
      type: RegisterProfile.type,
      caller,
      profileId,
      scope: normalisedUsername(username),
      fields: body,
    };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);

    const passwordHash = await this.passwords.hash(password);
    await this.keys.createSubject(profileId);
    return new Accepted(await this.commands.submit({ ...submission, input: { username, passwordHash } }));
  }
}
