import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Claims, type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { application } from '../oauth-application/application.model';
import { ClientSecrets } from '../oauth-application/client-secrets';
import { registerApplication } from './register-application.decide';
import { RegisterOAuthApplication } from './register-oauth-application.command';

@CommandHandler(RegisterOAuthApplication)
export class RegisterOAuthApplicationHandler implements ICommandHandler<RegisterOAuthApplication> {
  constructor(
    private readonly claims: Claims,
    private readonly streams: Streams,
    private readonly secrets: ClientSecrets,
  ) {}

  async execute({ data, context }: RegisterOAuthApplication): Promise<HandlerResult> {
    const { commandId: applicationId, profileId, cause } = context;
    const name = JSON.stringify([profileId, data.name]);
    if (!(await this.claims.take('oauth-application-name', name, applicationId, cause))) {
      await this.secrets.forget(data.secretKeyId);
      return rejected('oauth.name_taken');
    }
    const command = { ...data, applicationId, profileId };
    const outcome = await this.streams.transact(application, applicationId, registerApplication, command, cause);
    return resultOf(outcome, () => ({ applicationId, clientId: data.clientId }));
  }
}
