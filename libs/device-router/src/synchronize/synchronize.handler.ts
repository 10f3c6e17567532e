import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deferred, type HandlerResult, rejected } from '@symbolon/command-log';
import type { SynchronizationStarted } from '@symbolon/contracts';
import { Clock, Streams } from '@symbolon/kernel';
import { DataSource } from 'typeorm';
import { device } from '../device/device.model';
import { Synchronize } from './synchronize.command';
import { Synchronizations } from './synchronizations';

/** Begins a synchronization; the rest follows from its row. */
@CommandHandler(Synchronize)
export class SynchronizeHandler implements ICommandHandler<Synchronize> {
  constructor(
    private readonly streams: Streams,
    private readonly dataSource: DataSource,
    private readonly synchronizations: Synchronizations,
    private readonly clock: Clock,
  ) {}

  async execute({ data, context }: Synchronize): Promise<HandlerResult> {
    const { deviceIdentifier, sourceDeviceIdentifier } = data;
    const { commandId, profileId, cause } = context;
    for (const id of [deviceIdentifier, sourceDeviceIdentifier]) {
      const stores = id === null || (await this.stores(id, profileId));
      if (!stores) return rejected('storage.not_registered');
    }
    const started: SynchronizationStarted = { type: 'storage.synchronization_started', version: 1, data };
    await this.streams.append(`synchronization-${commandId}`, 'any', [started], cause);
    await this.dataSource.query(
      `insert into device_router.synchronization (command_id, profile_id, device_identifier, source, progressed_at)
       values ($1, $2, $3, $4, $5) on conflict do nothing`,
      [commandId, profileId, deviceIdentifier, sourceDeviceIdentifier, this.clock.now()],
    );
    this.synchronizations.wake();
    return deferred;
  }

  private async stores(deviceIdentifier: string, profileId: string): Promise<boolean> {
    const { state } = await this.streams.load(device, deviceIdentifier);
    return state.phase === 'approved' && state.storesFor.includes(profileId);
  }
}
