import { Controller, Param, Req, Res } from '@nestjs/common';
import { Audit, type Caller, type CommandStatus, CommandStatuses, isFinalStatus } from '@symbolon/command-log';
import {
  CallerOf,
  closed,
  commandHeaders,
  Endpoint,
  type EndpointOptions,
  isUuid,
  notFound,
  preferredWait,
  statusObject,
  unauthorized,
} from '@symbolon/http';
import type { FastifyReply, FastifyRequest } from 'fastify';

const row: Omit<EndpointOptions, 'verb'> = {
  row: 2,
  name: 'Request command id status',
  group: 'Utility',
  path: '/request-status/:commandId',
  aliases: ['/utility/request-command-id-status/:commandId'],
  access: 'none',
};

@Controller()
export class RequestStatusController {
  constructor(
    private readonly statuses: CommandStatuses,
    private readonly audit: Audit,
  ) {}

  /** Takes a token of the issuing profile, or none for a command that was issued without one. */
  @Endpoint({ ...row, verb: 'GET', tokenOptional: true, device: true, scope: 'any' })
  async full(
    @Param('commandId') commandId: string,
    @CallerOf() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const { session } = request;
    const found = await this.find(commandId);
    if (!found?.anonymous) {
      if (!session) throw unauthorized();
      if (!found) throw notFound();
      const mine =
        found.profileId === session.profileId &&
        (session.kind !== 'application' || found.applicationId === session.applicationId);
      if (!mine) {
        await this.audit.denied(caller, 'GET', `/request-status/${commandId}`, 'not_found');
        throw notFound();
      }
    }
    const wait = preferredWait(request.headers.prefer);
    const waited =
      wait && !isFinalStatus(found.status)
        ? await this.statuses.untilFinal(commandId, wait * 1000, closed(reply))
        : null;
    const status = waited ?? found;
    const final = isFinalStatus(status.status);
    if (final && wait) void reply.headers({ ...commandHeaders(status), 'preference-applied': 'wait' });
    void reply.code(final ? 200 : 202);
    return statusObject(status);
  }

  /** Shows how far the command is to whoever knows its id, and nothing else. */
  @Endpoint({ ...row, verb: 'POST', raw: true })
  async bare(
    @Param('commandId') commandId: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    request.raw.resume();
    const found = await this.find(commandId);
    if (!found) throw notFound();
    void reply
      .code(200)
      .type('application/json; charset=utf-8')
      .send(JSON.stringify(isFinalStatus(found.status) ? found.status : 'started'));
  }

  private async find(commandId: string): Promise<CommandStatus | null> {
    const status = isUuid(commandId) ? await this.statuses.find(commandId) : null;
    return status?.partOf === null ? status : null;
  }
}
