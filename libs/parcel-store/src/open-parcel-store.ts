import { join } from 'node:path';
import type { ParcelPlace } from '@symbolon/settings';
import { Pool } from 'pg';
import { FileParcelStore } from './file-parcel-store';
import type { ParcelStore } from './parcel-store';
import { PostgresParcelStore } from './postgres-parcel-store';
import type * as S3Module from './s3-parcel-store';

/** Connections of its own, so that slow parcels never keep the rest of the server from the database. */
const connections = 8;

/** Throws `Unavailable` where the folder cannot be made. */
export async function openParcelStore(
  place: ParcelPlace,
  { dataDir, databaseUrl }: { readonly dataDir: string; readonly databaseUrl: string },
): Promise<ParcelStore> {
  switch (place.kind) {
    case 'file':
      return FileParcelStore.open(join(dataDir, 'parcels'));
    case 'postgres': {
      const pool = new Pool({
        connectionString: databaseUrl,
        max: connections,
        application_name: 'symbolon-parcels',
        connectionTimeoutMillis: 5000,
      });
      pool.on('error', () => undefined); // the next query says so
      return new PostgresParcelStore(pool);
    }
    case 's3': {
      // The client is large: only who uses it loads it.
      const { S3ParcelStore } = require('./s3-parcel-store') as typeof S3Module;
      const { accessKeyId, secretAccessKey } = place.credentials ?? {};
      const credentials =
        accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey: secretAccessKey.reveal() } : null;
      return new S3ParcelStore({ ...place, credentials });
    }
  }
}
