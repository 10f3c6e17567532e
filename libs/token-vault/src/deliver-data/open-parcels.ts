import { pipeline, type Readable, type Transform } from 'node:stream';
import { Injectable } from '@nestjs/common';
import {
  KeyStore,
  openLayer2,
  parsePublicKey,
  PersonalBoxes,
  sealedStreamLength,
  sealStreamTo,
} from '@symbolon/crypto';
import { Gathered } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { DataSource } from 'typeorm';
import type { DataRequested } from '../retrieval/retrieval.events';
import { Tokens } from '../token/tokens.query';

/** An answer that waits to be fetched. */
interface Download {
  readonly requestId: string;
  readonly tokenId: string;
  readonly parcelId: string;
  readonly keyId: string;
}

/** Opens layer 2 of what devices gave back. */
@Injectable()
export class OpenParcels {
  private readonly notes = new Gathered((downloads: readonly Download[]) => this.noteAll(downloads));

  constructor(
    private readonly keys: KeyStore,
    private readonly parcels: ParcelStore,
    private readonly tokens: Tokens,
    private readonly dataSource: DataSource,
    readonly boxes: PersonalBoxes,
  ) {}

  /** The bytes as they were handed in; the stream fails with SealError when they are not. Null: key or parcel is gone. */
  async read(
    { tokenId, profileId: owner, dataKey }: DataRequested['data'],
    parcelId: string,
  ): Promise<Readable | null> {
    const key = await this.keys.tokenKey(owner, dataKey.keyId);
    const parcel = key && (await this.parcels.read(parcelId));
    if (!key || !parcel) return null;
    return through(parcel, openLayer2(key, { tokenId, parcelId: dataKey.keyId, owner }));
  }

  /** What the requester gets: these bytes, or where he asked for it a stream sealed to his key. */
  async deliver(asked: DataRequested['data'], parcelId: string): Promise<{ bytes: Readable; length: number } | null> {
    const bytes = await this.read(asked, parcelId);
    if (!bytes || !asked.sealedStream) return bytes && { bytes, length: asked.size };
    const publicKey = await this.tokens.publicKey(asked.profileId);
    if (publicKey === null) {
      bytes.destroy();
      return null;
    }
    const sealer = sealStreamTo(parsePublicKey(publicKey).raw);
    return { bytes: through(bytes, sealer), length: sealedStreamLength(asked.size) };
  }

  /** That an answer waits: from here on its parcel is kept. May be repeated. */
  note(download: Download): Promise<void> {
    return this.notes.ask(download);
  }

  private async noteAll(all: readonly Download[]): Promise<void[]> {
    const downloads = [...new Map(all.map((each) => [each.requestId, each])).values()];
    await this.dataSource.query(
      `insert into token_vault.download (request_id, token_id, parcel_id, key_id)
       select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[])
           on conflict (request_id) do update set parcel_id = excluded.parcel_id`,
      [
        downloads.map(({ requestId }) => requestId),
        downloads.map(({ tokenId }) => tokenId),
        downloads.map(({ parcelId }) => parcelId),
        downloads.map(({ keyId }) => keyId),
      ],
    );
    return all.map(() => undefined);
  }

  /** Removes an answer that was fetched or that nobody may fetch any more. May be repeated. */
  async clear(requestId: string): Promise<void> {
    const rows = await this.dataSource.query<Array<{ parcel_id: string }>>(
      'select parcel_id from token_vault.download where request_id = $1',
      [requestId],
    );
    for (const row of rows) await this.parcels.delete(row.parcel_id);
    await this.dataSource.query('delete from token_vault.download where request_id = $1', [requestId]);
  }

  /** Requests of this token that nobody has answered. */
  async open(tokenId: string): Promise<string[]> {
    const rows = await this.dataSource.query<Array<{ request_id: string }>>(
      'select request_id from token_vault.open_retrieval where token_id = $1',
      [tokenId],
    );
    return rows.map((row) => row.request_id);
  }

  /** Requests of this token whose answers wait to be fetched. */
  async waiting(tokenId: string): Promise<string[]> {
    const rows = await this.dataSource.query<Array<{ request_id: string }>>(
      'select request_id from token_vault.download where token_id = $1',
      [tokenId],
    );
    return rows.map((row) => row.request_id);
  }
}

/** An error at either end ends both; the reader sees it. */
function through(source: Readable, transform: Transform): Readable {
  pipeline(source, transform, () => undefined);
  return transform;
}
