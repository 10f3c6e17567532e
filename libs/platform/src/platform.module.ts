import {
  type DynamicModule,
  Global,
  Injectable,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { CommandBus, CqrsModule } from '@nestjs/cqrs';
import {
  Audit,
  Claims,
  commandLogMigrations,
  Commands,
  CommandStatuses,
  commandStatus,
  CommandWorker,
} from '@symbolon/command-log';
import { FileKeyRing, KeyRing, KeyStore, PasswordVerifiers, PersonalBoxes, uuid5 } from '@symbolon/crypto';
import { PostgresEventStore } from '@symbolon/event-store';
import { Clock, EventStore, Streams, SystemClock } from '@symbolon/kernel';
import { createLogger, Logger, Metrics } from '@symbolon/observe';
import { openParcelStore, parcelStoreMigrations, ParcelStore } from '@symbolon/parcel-store';
import { Deadlines, ProjectionRunner, projectionMigrations, ReactorRunner } from '@symbolon/projection';
import { Settings } from '@symbolon/settings';
import { transferMigrations, Transfers } from '@symbolon/transfer';
import { Pool } from 'pg';
import { DataSource, type EntitySchema, type MigrationInterface } from 'typeorm';
import { Housekeeping } from './housekeeping';
import { keyRingOf } from './key-ring';
import { planning, PreparingClient } from './preparing-client';
import { Progress } from './progress';
import { type Part, Registry } from './registry';

type MigrationClass = new () => MigrationInterface;

export interface PlatformOptions {
  readonly settings: Settings;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Default: the whole of Symbolon. */
  readonly part?: Part;
  /** Migrations and entities of the contexts in this process. */
  readonly migrations: readonly MigrationClass[];
  readonly entities: ReadonlyArray<(new () => object) | EntitySchema>;
}

/** Pools of processes that are about to end. */
const stopping = new WeakSet<Pool>();

/** Starts and stops what runs behind the edge, in the order in which each needs the others. */
@Injectable()
export class Engine implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(
    private readonly registry: Registry,
    private readonly projections: ProjectionRunner,
    private readonly reactors: ReactorRunner,
    private readonly deadlines: Deadlines,
    private readonly worker: CommandWorker,
    private readonly statuses: CommandStatuses,
    private readonly housekeeping: Housekeeping,
    private readonly progress: Progress,
    private readonly store: EventStore,
    private readonly dataSource: DataSource,
    private readonly pool: Pool,
    private readonly parcels: ParcelStore,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { projections, reactors, loops } = this.registry.contents();
    const { part } = this.registry;
    const service = part !== 'whole' && part !== 'gateway';
    this.projections.start(service ? projections : [commandStatus, ...projections]);
    this.reactors.start([...reactors]);
    if (part !== 'gateway') {
      this.worker.start();
      this.deadlines.start();
    }
    // Only where every context is known is it known what nobody needs any more.
    if (!service) this.housekeeping.start();
    for (const loop of loops) await loop.start();
  }

  /** Before the listener closes: it would wait for WebSockets and for calls that wait themselves. */
  async beforeApplicationShutdown(): Promise<void> {
    stopping.add(this.pool);
    this.progress.stop();
    this.statuses.stop();
    for (const loop of [...this.registry.contents().loops].reverse()) await loop.stop();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.housekeeping.stop();
    await this.deadlines.stop();
    await this.worker.stop();
    await this.reactors.stop();
    await this.projections.stop();
    if (this.store instanceof PostgresEventStore) await this.store.close();
    await this.parcels.close();
    await this.dataSource.destroy();
    await this.pool.end();
  }
}

@Global()
@Module({})
export class PlatformModule {
  /** Opens the database, runs migrations under an advisory lock, and binds the ports to their adapters. */
  static async forRoot(options: PlatformOptions): Promise<DynamicModule> {
    const { settings, databaseUrl, dataDir, clock = new SystemClock(), logger = createLogger() } = options;
    const { part = 'whole' } = options;
    const amongOthers = part !== 'whole';
    const lost = (error: Error): void => {
      // What ends while the process stops is no loss.
      if (!stopping.has(pool)) logger.warn({ error: error.message }, 'database connection lost');
    };
    const pool: Pool = new Pool({
      connectionString: databaseUrl,
      max: 16,
      application_name: 'symbolon',
      connectionTimeoutMillis: 5000,
      Client: PreparingClient,
      options: planning.lookups,
    });
    pool.on('error', (error) => lost(error));
    const dataSource = new DataSource({
      type: 'postgres',
      url: databaseUrl,
      entities: [...options.entities] as never,
      migrations: [
        ...PostgresEventStore.migrations,
        ...KeyStore.migrations,
        ...projectionMigrations,
        ...commandLogMigrations,
        ...transferMigrations,
        ...parcelStoreMigrations,
        ...options.migrations,
      ] as never,
      migrationsTableName: 'symbolon_migration',
      applicationName: 'symbolon',
      extra: { max: 12, connectionTimeoutMillis: 5000, Client: PreparingClient, options: planning.lists },
      poolErrorHandler: (error: Error) => lost(error),
    });
    await dataSource.initialize();
    await migrate(dataSource);

    const ring = await FileKeyRing.open(keyRingOf(dataDir, settings));
    const keys = new KeyStore(pool, ring);
    await keys.open();
    const boxes = new PersonalBoxes(keys);
    const metrics = new Metrics();
    const store = await PostgresEventStore.open(pool);
    const streams = new Streams(store, boxes, uuid5, (outcome, seconds) => metrics.appended(outcome, seconds));
    const projections = new ProjectionRunner(dataSource, store, boxes, {
      ...(amongOthers ? { amongOthers, tickMillis: 50 } : {}),
      observer: {
        stalled: (projection, event, error) => {
          metrics.projection(projection, 0, true);
          logger.error({ projection, event, error }, 'a projection cannot apply its next event and waits');
        },
        retried: (projection, error) => logger.warn({ projection, error }, 'a projection tries again'),
        committed: (projection) => metrics.projection(projection, 0, false),
      },
    });
    const commands = new Commands(store, streams, keys, clock, projections, metrics);
    const passwords = new PasswordVerifiers(settings.argon2, ring);
    const parcels = await openParcelStore(settings.parcelPlace, { dataDir, databaseUrl });
    const transfers = new Transfers({
      dataSource,
      clock,
      hashes: (kind, secret) => keys.hashesOfSecret(kind, secret),
      settings,
      metrics,
      logger,
    });

    const registry = new Registry(part);
    const values: ReadonlyArray<[unknown, unknown]> = [
      [Settings, settings],
      [Logger, logger],
      [Metrics, metrics],
      [Clock, clock],
      [Pool, pool],
      [DataSource, dataSource],
      [EventStore, store],
      [KeyRing, ring],
      [KeyStore, keys],
      [PersonalBoxes, boxes],
      [Streams, streams],
      [ProjectionRunner, projections],
      [
        ReactorRunner,
        new ReactorRunner(dataSource, store, {
          observer: (reactor, { id, type }, error, attempt) =>
            logger.warn({ reactor, event: id, type, attempt, error }, 'a reaction will be tried again'),
        }),
      ],
      [
        Deadlines,
        new Deadlines(dataSource, clock, {
          observer: (kind, id, error) => logger.warn({ kind, id, error }, 'a deadline will be handled again'),
        }),
      ],
      [Commands, commands],
      [CommandStatuses, new CommandStatuses(dataSource, store, boxes, clock, projections)],
      [Claims, new Claims(streams, (kind, value) => keys.hashGuess(kind, value))],
      [Audit, new Audit(streams)],
      [PasswordVerifiers, passwords],
      [ParcelStore, parcels],
      [Transfers, transfers],
      [Registry, registry],
      [Progress, new Progress(amongOthers ? pool : null, logger)],
      [Housekeeping, new Housekeeping(parcels, transfers, registry, clock, logger)],
    ];
    return {
      module: PlatformModule,
      imports: [CqrsModule.forRoot()],
      providers: [
        ...values.map(([provide, useValue]) => ({ provide: provide as never, useValue })),
        {
          provide: CommandWorker,
          inject: [CommandBus],
          useFactory: (bus: CommandBus) =>
            new CommandWorker(
              store,
              boxes,
              bus,
              commands,
              dataSource,
              logger,
              undefined,
              amongOthers ? `worker.command-log.${part}` : undefined,
            ),
        },
        Engine,
      ],
      exports: [...values.map(([provide]) => provide as never), CqrsModule, CommandWorker],
    };
  }
}

/** Several processes may start at once: one migrates, the others wait. */
async function migrate(dataSource: DataSource): Promise<void> {
  const runner = dataSource.createQueryRunner();
  await runner.connect();
  try {
    await runner.query(`select pg_advisory_lock(hashtextextended('symbolon.migrate', 0))`);
    await dataSource.runMigrations({ transaction: 'each' });
  } finally {
    await runner.query(`select pg_advisory_unlock(hashtextextended('symbolon.migrate', 0))`);
    await runner.release();
  }
}
