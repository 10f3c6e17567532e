import { Module, type OnModuleInit } from '@nestjs/common';
import { Registry, type UpgradeHandler } from '@symbolon/platform';
import { ApiDocument, ApiPagesController } from './api-pages.controller';
import { ChannelHub } from './channel-hub';
import { ClientSocket } from './client-socket';
import { Dependencies } from './dependencies.query';
import { EventStreams } from './event-streams';
import { EventStreamController } from './event-stream.controller';
import { HealthController } from './health.controller';
import { Readiness } from './readiness';
import { RequestStatusController } from './request-status.controller';

@Module({
  controllers: [RequestStatusController, HealthController, ApiPagesController, EventStreamController],
  providers: [ApiDocument, Dependencies, ChannelHub, ClientSocket, EventStreams, Readiness],
  exports: [ApiDocument, Readiness],
})
export class GatewayModule implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly hub: ChannelHub,
    private readonly sockets: ClientSocket,
    private readonly streams: EventStreams,
  ) {}

  onModuleInit(): void {
    const upgrade: UpgradeHandler = (request, socket, head) => this.sockets.handleUpgrade(request, socket, head);
    this.registry.upgrade('/ws', upgrade);
    this.registry.upgrade('/', upgrade);
    this.registry.edgeLoop(this.hub);
    this.registry.edgeLoop(this.sockets);
    this.registry.edgeLoop(this.streams);
  }
}
