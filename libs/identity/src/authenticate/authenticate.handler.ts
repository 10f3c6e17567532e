import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, succeeded } from '@symbolon/command-log';
import { Authenticate } from './authenticate.command';

/** The login is allowed. Its token is made when it is fetched: a command and its status never hold one. */
@CommandHandler(Authenticate)
export class AuthenticateHandler implements ICommandHandler<Authenticate> {
  execute(): Promise<HandlerResult> {
    return Promise.resolve(succeeded(null));
  }
}
