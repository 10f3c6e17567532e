import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Unavailable } from '@symbolon/kernel';
import { inParts } from './in-parts';
import { checkParcelId, isParcelId, type ParcelBytes, ParcelStore, sweepBatch } from './parcel-store';

export interface S3Place {
  readonly bucket: string;
  /** What every key begins with; empty or ending in a slash. */
  readonly prefix: string;
  /** Of a store that is not Amazon's; null: theirs. */
  readonly endpoint: string | null;
  readonly region: string;
  /** Null: found as the AWS SDK finds them (environment, profile, instance role). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null;
}

/** S3's least size of a part but the last; 10,000 parts are 80 GiB. */
const partSize = 8 * 1024 * 1024;

/**
 * Parcels as objects of an S3-compatible bucket, one key each. An object appears whole at the end of its upload and
 * replaces the former one in one step; a broken upload is aborted, and what a crash left of one is swept.
 */
export class S3ParcelStore extends ParcelStore {
  private readonly client: S3Client;

  constructor(private readonly place: S3Place) {
    super();
    const { endpoint, region, credentials } = place;
    this.client = new S3Client({
      region,
      maxAttempts: 3,
      // Many stores that speak S3 do not know the newer checksums.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
      ...(credentials ? { credentials } : {}),
    });
  }

  override async close(): Promise<void> {
    this.client.destroy();
  }

  override async check(): Promise<void> {
    await available(() => this.client.send(new HeadBucketCommand({ Bucket: this.place.bucket })));
  }

  override async write(parcelId: string, bytes: ParcelBytes): Promise<{ size: number }> {
    const address = this.address(parcelId);
    const source = { error: null as unknown, broken: false, size: 0 };
    const watched = async function* () {
      try {
        for await (const part of inParts(bytes, 1024 * 1024)) {
          source.size += part.length;
          yield part;
        }
      } catch (error) {
        Object.assign(source, { error, broken: true });
        throw error;
      }
    };
    const body = Readable.from(watched(), { objectMode: false, highWaterMark: 1 });
    // A source may break before it is read; reading it then says so.
    if (bytes instanceof Readable) bytes.on('error', () => undefined);
    const upload = new Upload({ client: this.client, params: { ...address, Body: body }, partSize, queueSize: 1 });
    try {
      await upload.done();
      return { size: source.size };
    } catch (error) {
      body.destroy();
      // A source that was never read would wait for ever.
      if (bytes instanceof Readable) bytes.destroy();
      throw source.broken ? source.error : unavailable(error);
    }
  }

  override async read(parcelId: string): Promise<Readable | null> {
    const address = this.address(parcelId);
    const found = await this.known(() => this.client.send(new GetObjectCommand(address)));
    if (!found) return null;
    const body = found.Body as Readable;
    const stream = new Readable({
      highWaterMark: 256 * 1024,
      read: () => body.resume(),
      destroy: (error, done) => {
        body.destroy();
        done(error);
      },
    });
    body.pause();
    body.on('data', (chunk: Buffer) => {
      if (!stream.push(chunk)) body.pause();
    });
    body.on('end', () => stream.push(null));
    body.on('error', (error) => stream.destroy(unavailable(error)));
    return stream;
  }

  override async size(parcelId: string): Promise<number | null> {
    const address = this.address(parcelId);
    const found = await this.known(() => this.client.send(new HeadObjectCommand(address)));
    return found ? (found.ContentLength ?? 0) : null;
  }

  override async delete(parcelId: string): Promise<void> {
    const address = this.address(parcelId);
    await this.known(() => this.client.send(new DeleteObjectCommand(address)));
  }

  override async sweep(olderThan: Date, keep: (parcelIds: string[]) => Promise<Set<string>>): Promise<number> {
    await this.abortUploads(olderThan);
    const { bucket: Bucket, prefix: Prefix } = this.place;
    let removed = 0;
    for (let more: string | undefined, first = true; first || more; first = false) {
      const page = await available(() =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket,
            Prefix,
            MaxKeys: sweepBatch,
            ...(more ? { ContinuationToken: more } : {}),
          }),
        ),
      );
      more = page.IsTruncated ? page.NextContinuationToken : undefined;
      const ids = (page.Contents ?? [])
        .filter(({ LastModified }) => LastModified && LastModified < olderThan)
        .map(({ Key }) => Key!.slice(Prefix.length))
        .filter(isParcelId);
      if (ids.length === 0) continue;
      const kept = await keep(ids);
      const unkept = ids.filter((id) => !kept.has(id));
      if (unkept.length === 0) continue;
      const Objects = unkept.map((id) => ({ Key: Prefix + id }));
      const { Errors = [] } = await available(() =>
        this.client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } })),
      );
      removed += unkept.length - Errors.length;
    }
    return removed;
  }

  /** What crashes left of uploads in parts. */
  private async abortUploads(olderThan: Date): Promise<void> {
    const { bucket: Bucket, prefix: Prefix } = this.place;
    const { Uploads = [] } = await available(() =>
      this.client.send(new ListMultipartUploadsCommand({ Bucket, Prefix })),
    ).catch((error: unknown) => {
      // Not every store lists them; then its own life cycle rules must end them.
      if (isUnsupported(error)) return { Uploads: [] };
      throw error;
    });
    for (const { Key, UploadId, Initiated } of Uploads) {
      if (!Key || !UploadId || !Initiated || Initiated >= olderThan) continue;
      await this.known(() => this.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })));
    }
  }

  private address(parcelId: string): { readonly Bucket: string; readonly Key: string } {
    checkParcelId(parcelId);
    return { Bucket: this.place.bucket, Key: this.place.prefix + parcelId };
  }

  /** A missing parcel is one thing, a missing store another. */
  private async known<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      if (!isMissing(error)) throw unavailable(error);
      await this.check();
      return null;
    }
  }
}

function isMissing(error: unknown): boolean {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  return name === 'NoSuchKey' || name === 'NotFound' || name === 'NoSuchUpload' || $metadata?.httpStatusCode === 404;
}

function isUnsupported(error: unknown): boolean {
  const { cause } = error as { cause?: { name?: string; $metadata?: { httpStatusCode?: number } } };
  return cause?.name === 'NotImplemented' || cause?.$metadata?.httpStatusCode === 501;
}

async function available<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unavailable(error);
  }
}

function unavailable(cause: unknown): Unavailable {
  return new Unavailable('parcel-store', { cause });
}
