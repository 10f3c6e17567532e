import { type BeforeApplicationShutdown, Inject, Module, type OnModuleInit } from '@nestjs/common';
import {
  CarriersDeviceLink,
  DeviceCredentials,
  DeviceLink,
  RabbitMqDeviceLink,
  RabbitMqManagement,
  WebSocketDeviceLink,
} from '@symbolon/device-link';
import { controllersOf, providersOf } from '@symbolon/http';
import { Clock, EventStore, type Recorded } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { Registry } from '@symbolon/platform';
import { ProjectionRunner } from '@symbolon/projection';
import { Settings } from '@symbolon/settings';
import { Transfers } from '@symbolon/transfer';
import { Ballots } from './ballot/ballots';
import { VoteAnswers } from './ballot/vote-answers';
import { Votes } from './ballot/votes';
import { BrokerAccounts } from './channel/broker-accounts';
import { CarrierCheck } from './channel/carrier-check';
import { ChannelSecrets } from './channel/channel-secrets';
import { Courier } from './channel/courier';
import { Envelopes } from './channel/envelopes';
import { Inbox } from './channel/inbox';
import { Presence } from './channel/presence';
import { Rejections } from './channel/rejections';
import { Answers } from './delivery/answers';
import { ParcelClearing } from './delivery/parcel-clearing';
import { PayloadDownload } from './delivery/payload-download';
import { authenticators } from './device/authenticators.projection';
import { Devices } from './device/devices.query';
import { AbandonedReadings } from './reading/abandoned-readings';
import { ReturnedUpload } from './reading/returned-upload';
import { routing } from './routing/routing.projection';
import * as slices from './slices';

/** What gives devices something to do. */
const ordering = new Set([
  'data_token.data_exchanged',
  'data_token.data_replaced',
  'data_token.version_confirmed',
  'data_token.data_requested',
  'data_token.deleted',
  'data_token.reservation_expired',
  'storage.copy_ordered',
  'storage.read_answered',
  'ballot.issued',
  'ballot.voided',
]);
/** What leaves them less to do for a token. */
const settling = new Set([
  'storage.write_acknowledged',
  'data_token.write_failed',
  'data_token.version_confirmed',
  'data_token.deleted',
  'data_token.reservation_expired',
]);
/** What a device's account at the broker follows. */
const admitting = new Set(['device.approved', 'device.configuration_rotated', 'device.rejected', 'device.removed']);
const housekeepingMillis = 60_000;

@Module({
  controllers: controllersOf(slices),
  providers: [
    ...providersOf(slices),
    Answers,
    AbandonedReadings,
    Ballots,
    BrokerAccounts,
    CarrierCheck,
    ChannelSecrets,
    Courier,
    Devices,
    Envelopes,
    Inbox,
    ParcelClearing,
    PayloadDownload,
    Presence,
    Rejections,
    ReturnedUpload,
    VoteAnswers,
    Votes,
    { provide: DeviceCredentials, useExisting: ChannelSecrets },
    {
      provide: WebSocketDeviceLink,
      inject: [DeviceCredentials, Clock, Logger],
      useFactory: (credentials: DeviceCredentials, clock: Clock, log: Logger) =>
        new WebSocketDeviceLink({ credentials, clock, log }),
    },
    {
      provide: RabbitMqManagement,
      inject: [Settings],
      useFactory: ({ rabbitmq }: Settings) => rabbitmq && new RabbitMqManagement(rabbitmq),
    },
    {
      provide: RabbitMqDeviceLink,
      inject: [Settings, RabbitMqManagement, Clock, Logger],
      useFactory: ({ rabbitmq: broker }: Settings, management: RabbitMqManagement | null, clock: Clock, log: Logger) =>
        broker && management && new RabbitMqDeviceLink({ broker, management, clock, log }),
    },
    {
      provide: DeviceLink,
      inject: [WebSocketDeviceLink, RabbitMqDeviceLink],
      useFactory: (sockets: WebSocketDeviceLink, broker: RabbitMqDeviceLink | null) =>
        broker ? new CarriersDeviceLink(sockets, broker) : sockets,
    },
  ],
  exports: [WebSocketDeviceLink],
})
export class DeviceRouterModule implements OnModuleInit, BeforeApplicationShutdown {
  private housekeeping: NodeJS.Timeout | null = null;

  constructor(
    private readonly registry: Registry,
    private readonly projections: ProjectionRunner,
    private readonly store: EventStore,
    private readonly transfers: Transfers,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly sockets: WebSocketDeviceLink,
    @Inject(RabbitMqDeviceLink) private readonly broker: RabbitMqDeviceLink | null,
    private readonly link: DeviceLink,
    private readonly accounts: BrokerAccounts,
    private readonly carriers: CarrierCheck,
    private readonly inbox: Inbox,
    private readonly courier: Courier,
    private readonly readings: AbandonedReadings,
    private readonly clearing: ParcelClearing,
    private readonly ballots: Ballots,
    private readonly payloads: PayloadDownload,
    private readonly returned: ReturnedUpload,
    private readonly presence: Presence,
  ) {}

  onModuleInit(): void {
    const projection = routing(this.clock);
    this.registry.projections(projection, authenticators);
    this.registry.keepParcels((parcelIds) => this.clearing.needed(parcelIds));
    this.registry.presence((devices) => this.presence.of(devices));
    this.registry.carriers((errand) => this.carriers.require(errand));
    if (this.broker) this.registry.dependency('rabbitmq', () => this.carriers.check());
    this.registry.loop({ start: () => void this.start(), stop: () => this.stop() });
    this.registry.upgrade('/device-channel', (request, socket, head) =>
      this.sockets.handleUpgrade(request, socket, head),
    );
    this.transfers.register(this.payloads);
    this.transfers.register(this.returned);
    this.link.receive((deviceIdentifier, message) => this.inbox.receive(deviceIdentifier, message));
    this.projections.onCommitted((name, events) => {
      if (name === projection.name) this.moved(events);
    });
  }

  /** The listener does not close before its last connection, and these would stay. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.sockets.close(), this.broker?.close()]);
  }

  /** The rows have moved with these events. */
  private moved(events: readonly Recorded[]): void {
    if (events.some(({ type }) => ordering.has(type))) this.courier.wake();
    if (events.some(({ type }) => type === 'data_token.data_requested')) this.readings.wake();
    for (const { type, data } of events)
      if (admitting.has(type)) void this.accounts.follow((data as { deviceIdentifier: string }).deviceIdentifier);
    for (const { type, data } of events)
      if (settling.has(type)) this.clearing.settled((data as { tokenId: string }).tokenId);
  }

  /** Rows that are being made anew from the log show orders that were answered long ago: those are not sent. */
  private async start(): Promise<void> {
    this.housekeeping = setInterval(() => void this.keepHouse(), housekeepingMillis).unref();
    for (let caughtUp = false; !caughtUp && this.housekeeping;) {
      caughtUp = await this.store
        .tail()
        .then((tail) => this.projections.passed(tail))
        .then(
          () => true,
          (error: unknown) => {
            this.log.warn({ error }, 'devices wait until the log can be read');
            return new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500));
          },
        );
    }
    if (!this.housekeeping) return;
    this.broker?.start();
    this.accounts.start();
    this.courier.start();
    this.readings.start();
    await this.keepHouse();
  }

  private async stop(): Promise<void> {
    if (this.housekeeping) clearInterval(this.housekeeping);
    this.housekeeping = null;
    this.courier.stop();
    this.readings.stop();
    await this.accounts.stop();
  }

  private async keepHouse(): Promise<void> {
    await this.clearing.clearAll();
    await this.ballots.forget().catch((error: unknown) => this.log.warn({ error }, 'old ballots stay for now'));
    await this.inbox.forget().catch((error: unknown) => this.log.warn({ error }, 'old message ids stay for now'));
  }
}
