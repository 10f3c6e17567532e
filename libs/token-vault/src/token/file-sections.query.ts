import { Injectable } from '@nestjs/common';
import { PersonalBoxes } from '@symbolon/crypto';
import { EventStore, type Recorded } from '@symbolon/kernel';
import type { FileNow } from './change-sections.decide';
import type { TokenMeta } from './token.events';

/** Reads the file section of a token from its own stream: read models may be a moment behind. */
@Injectable()
export class FileSections {
  constructor(
    private readonly store: EventStore,
    private readonly boxes: PersonalBoxes,
  ) {}

  async now(tokenId: string, owner: string): Promise<FileNow> {
    let last: Recorded | null = null;
    let fileChanges = 0;
    for await (const event of this.store.read(`token-${tokenId}`)) {
      if (event.type !== 'data_token.space_reserved' && event.type !== 'data_token.file_meta_configured') continue;
      last = event;
      fileChanges++;
    }
    const personal = last && (await this.boxes.open(last, owner));
    if (!last || !personal) return { file: null, fileChanges };
    const { file, meta } = personal as { file?: TokenMeta['file']; meta?: TokenMeta };
    return { file: (last.type === 'data_token.space_reserved' ? meta?.file : file) ?? null, fileChanges };
  }
}
