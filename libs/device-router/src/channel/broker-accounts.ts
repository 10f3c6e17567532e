import { Inject, Injectable } from '@nestjs/common';
import { KeyStore } from '@symbolon/crypto';
import { type Accounts, RabbitMqDeviceLink, RabbitMqManagement } from '@symbolon/device-link';
import { Streams } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { DataSource } from 'typeorm';
import { device } from '../device/device.model';

const retryMillis = { first: 500, most: 30_000 } as const;
/** What a command waits for the broker; the rest happens behind it. */
const patience = 5000;

/**
 * Queue and user of each device at the broker. They follow the log: whatever fails or is cut off is made good as soon
 * as the broker answers, and every connection to the broker begins with a look at all of them.
 */
@Injectable()
export class BrokerAccounts {
  /** Devices whose account may differ from what the log says. */
  private readonly due = new Set<string>();
  private lookAtAll = false;
  private working: Promise<void> | null = null;
  private wait: number = retryMillis.first;
  private timer: NodeJS.Timeout | null = null;
  private running = false;

  constructor(
    @Inject(RabbitMqDeviceLink) private readonly link: RabbitMqDeviceLink | null,
    @Inject(RabbitMqManagement) private readonly management: RabbitMqManagement | null,
    private readonly dataSource: DataSource,
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly log: Logger,
  ) {
    link?.onUp(() => this.begin(() => (this.lookAtAll = true)));
    link?.onUnknown((deviceIdentifier) => this.begin(() => this.due.add(deviceIdentifier)));
  }

  /** Once the rows are up to date with the log. */
  start(): void {
    this.running = true;
    this.begin(() => (this.lookAtAll = true));
  }

  async stop(): Promise<void> {
    this.running = false;
    if (this.timer) clearTimeout(this.timer);
    await this.working;
  }

  /** Something has happened to the device. Resolves when its account is right, or the broker does not answer in time. */
  async follow(deviceIdentifier: string): Promise<void> {
    if (!this.management) return;
    this.begin(() => this.due.add(deviceIdentifier));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, patience)));
    await Promise.race([late, this.settled(deviceIdentifier)]);
    clearTimeout(timer);
  }

  private async settled(deviceIdentifier: string): Promise<void> {
    while (this.working && this.due.has(deviceIdentifier)) await this.working;
  }

  private begin(note: () => void): void {
    note();
    if (!this.running || this.working || !this.management) return;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.working = this.work(this.management).finally(() => {
      this.working = null;
      if (this.running && this.timer === null && (this.lookAtAll || this.due.size > 0)) this.begin(() => undefined);
    });
  }

  private async work(management: RabbitMqManagement): Promise<void> {
    try {
      if (this.lookAtAll) {
        this.lookAtAll = false;
        await this.compare(management).catch((error: unknown) => {
          this.lookAtAll = true;
          throw error;
        });
      }
      for (const deviceIdentifier of this.due) {
        if (!this.running) return;
        // Noted anew while it is being done, it is done once more.
        this.due.delete(deviceIdentifier);
        await this.settle(management, deviceIdentifier).catch((error: unknown) => {
          this.due.add(deviceIdentifier);
          throw error;
        });
      }
      this.wait = retryMillis.first;
    } catch (error) {
      this.log.warn({ error }, 'accounts of devices at RabbitMQ will be looked after again');
      if (!this.running) return;
      this.timer = setTimeout(() => {
        this.timer = null;
        this.begin(() => undefined);
      }, this.wait).unref();
      this.wait = Math.min(this.wait * 2, retryMillis.most);
    }
  }

  /** The log says what is right: rows that are just being made anew may say something else. */
  private async settle(management: RabbitMqManagement, deviceIdentifier: string): Promise<void> {
    const { phase, secretKeyId } = (await this.streams.load(device, deviceIdentifier)).state;
    if (phase === 'approved' && secretKeyId !== null) {
      await management.provision(deviceIdentifier, this.keys.brokerPassword(deviceIdentifier, secretKeyId));
      this.link?.admit(deviceIdentifier);
    } else {
      this.link?.dismiss(deviceIdentifier);
      await management.withdraw(deviceIdentifier);
    }
  }

  /** Finds what is missing at the broker, and what is there and should not be. Devices of others are let alone. */
  private async compare(management: RabbitMqManagement): Promise<void> {
    const approved = await this.approved();
    let accounts: Accounts;
    try {
      await management.prepareVhost();
      accounts = await management.accounts();
    } catch (error) {
      // Most likely their queues are there: who has none after all is told apart by the first message.
      for (const deviceIdentifier of approved.keys()) this.link?.admit(deviceIdentifier);
      throw error;
    }
    for (const [deviceIdentifier, secretKeyId] of approved) {
      const whole = accounts.isWhole(deviceIdentifier, this.keys.brokerPassword(deviceIdentifier, secretKeyId));
      if (whole) this.link?.admit(deviceIdentifier);
      else this.due.add(deviceIdentifier);
    }
    const others = [...accounts.devices].filter((deviceIdentifier) => !approved.has(deviceIdentifier));
    const rows = await this.dataSource.query<Array<{ device_identifier: string }>>(
      'select device_identifier from device_router.device where device_identifier = any($1::uuid[])',
      [others],
    );
    for (const { device_identifier: deviceIdentifier } of rows) this.due.add(deviceIdentifier);
  }

  private async approved(): Promise<Map<string, string>> {
    const rows = await this.dataSource.query<Array<{ device_identifier: string; secret_key_id: string }>>(
      `select device_identifier, secret_key_id from device_router.device
        where status = 'approved' and secret_key_id is not null`,
    );
    return new Map(rows.map((row) => [row.device_identifier, row.secret_key_id]));
  }
}
