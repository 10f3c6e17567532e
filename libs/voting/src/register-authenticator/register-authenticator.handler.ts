import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { voting } from '@symbolon/contracts';
import { Streams } from '@symbolon/kernel';
import { Authenticators } from '../authenticator/authenticators';
import { RegisterAuthenticator } from './register-authenticator.command';
import { registerAuthenticator } from './register-authenticator.decide';

@CommandHandler(RegisterAuthenticator)
export class RegisterAuthenticatorHandler implements ICommandHandler<RegisterAuthenticator> {
  constructor(
    private readonly streams: Streams,
    private readonly authenticators: Authenticators,
  ) {}

  async execute({ data, context: { profileId, cause } }: RegisterAuthenticator): Promise<HandlerResult> {
    const { deviceIdentifier } = data;
    const command = { profileId, deviceIdentifier, device: await this.authenticators.device(deviceIdentifier) };
    const outcome = await this.streams.transact(voting, profileId, registerAuthenticator, command, cause);
    return resultOf(outcome, () => ({ deviceIdentifier }));
  }
}
