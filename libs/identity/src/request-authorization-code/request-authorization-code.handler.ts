import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { Applications } from '../oauth-application/applications.query';
import { authorization } from '../oauth-application/authorization.model';
import { RequestAuthorizationCode } from './request-authorization-code.command';
import { requestCode } from './request-code.decide';

@CommandHandler(RequestAuthorizationCode)
export class RequestAuthorizationCodeHandler implements ICommandHandler<RequestAuthorizationCode> {
  constructor(
    private readonly streams: Streams,
    private readonly applications: Applications,
  ) {}

  async execute({ data, context }: RequestAuthorizationCode): Promise<HandlerResult> {
    const { clientId, ...command } = data;
    const { commandId, profileId, cause } = context;
    // The application may have gone with its owner while the profile was asked.
    if (!(await this.applications.find(data.applicationId))) return rejected('not_found');
    const outcome = await this.streams.transact(
      authorization,
      commandId,
      requestCode,
      { ...command, profileId },
      cause,
    );
    return resultOf(outcome, ({ scope }) => ({ clientId, scope }));
  }
}
