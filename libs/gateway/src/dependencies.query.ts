import { Injectable } from '@nestjs/common';
import { EventStore } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { Registry } from '@symbolon/platform';
import { DataSource } from 'typeorm';
import type { Neighbours } from './neighbours';

const patience = 2000;

/** Whether what the process needs answers, within two seconds. */
@Injectable()
export class Dependencies {
  constructor(
    private readonly dataSource: DataSource,
    private readonly store: EventStore,
    private readonly parcels: ParcelStore,
    private readonly registry: Registry,
  ) {}

  /** What else is needed: the services behind a gateway, and what they need. */
  neighbours: Pick<Neighbours, 'up' | 'missing'> | null = null;

  async up(): Promise<Record<string, boolean>> {
    const [database, eventStore, parcelStore, neighbours] = await Promise.all([
      answers(() => this.dataSource.query('select 1')),
      answers(() => this.store.tail()),
      answers(() => this.parcels.check()),
      this.neighbours?.up(),
    ]);
    return { database, 'event-store': eventStore, 'parcel-store': parcelStore, ...neighbours };
  }

  /** With what only some calls need: without it a process is still ready to serve the others. */
  async all(): Promise<Record<string, boolean>> {
    const further = [...this.registry.contents().dependencies].map(async ([name, check]) => [
      name,
      await answers(check),
    ]);
    const [up, found, missing] = await Promise.all([this.up(), Promise.all(further), this.neighbours?.missing()]);
    return { ...up, ...Object.fromEntries(found), ...missing };
  }
}

async function answers(call: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), patience)));
  const answered = call().then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([answered, late]);
  } finally {
    clearTimeout(timer);
  }
}
