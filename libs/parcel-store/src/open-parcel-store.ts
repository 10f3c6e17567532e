import { join } from 'node:path';
import { Pool } from 'pg';
import { FileParcelStore } from './file-parcel-store';
import type { ParcelStore } from './parcel-store';
import { PostgresParcelStore } from './postgres-parcel-store';
import type { S3Place } from './s3-parcel-store';

/** Where parcels lie: files in the data directory, rows of the database, or objects of a bucket. */
export type ParcelPlace =
  { readonly kind: 'file' } | { readonly kind: 'postgres' } | ({ readonly kind: 's3' } & S3Place);

/** Connections of its own, so that slow parcels never keep the rest of the server from the database. */
const connections = 8;

/** `close` lets go of the store's connections. Throws `Unavailable` where the folder cannot be made. */
export async function openParcelStore(
  place: ParcelPlace,
  { dataDir, databaseUrl }: { readonly dataDir: string; readonly databaseUrl: string },
): Promise<{ readonly store: ParcelStore; close(): Promise<void> }> {
  switch (place.kind) {
    case 'file':
      return { store: await FileParcelStore.open(join(dataDir, 'parcels')), close: async () => undefined };
    case 'postgres': {
      const pool = new Pool({
        connectionString: databaseUrl,
        max: connections,
        application_name: 'symbolon-parcels',
        connectionTimeoutMillis: 5000,
      });
      pool.on('error', () => undefined); // the next query says so
      return { store: new PostgresParcelStore(pool), close: () => pool.end() };
    }
    case 's3': {
      // The client is large: only who uses it loads it.
      const { S3ParcelStore } = await import('./s3-parcel-store');
      const store = new S3ParcelStore(place);
      return { store, close: async () => store.close() };
    }
  }
}
