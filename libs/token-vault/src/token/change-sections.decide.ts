import type { TokenChanges, TokenEvent, TokenMeta } from './token.events';

/** The file section as it stands, and how often it had been set when it was read. */
export interface FileNow {
  readonly file: TokenMeta['file'] | null;
  readonly fileChanges: number;
}

/** Refused by a decision when the file section has moved on since it was read: read it again. Never shown to anybody. */
export const staleFile = 'data_token.file_moved_on';

/** Whether these changes touch what `data_token.file_meta_configured` holds. */
export function touchesFile({ meta, fileName, extension, context }: TokenChanges): boolean {
  return [meta.file ?? undefined, fileName, extension, context].some((given) => given !== undefined);
}

/** One event per section that changes. */
export function sectionEvents(
  tokenId: string,
  subject: string,
  changes: TokenChanges,
  now: TokenMeta['file'] | null,
): TokenEvent[] {
  const { meta, fileName, extension, context } = changes;
  const events: TokenEvent[] = [];
  if (touchesFile(changes)) {
    const base = meta.file ?? now;
    const short = {
      ...(fileName === undefined ? {} : { fileName }),
      ...(extension === undefined ? {} : { extension }),
    };
    const file = base || Object.keys(short).length > 0 ? { ...base, ...short } : null;
    events.push({
      type: 'data_token.file_meta_configured',
      version: 1,
      data: { tokenId },
      personal: { subject, fields: { file, context: context ?? null } },
    });
  }
  if (meta.data) {
    const fields = { data: meta.data };
    events.push({
      type: 'data_token.data_meta_configured',
      version: 1,
      data: { tokenId },
      personal: { subject, fields },
    });
  }
  if (meta.information_security_risk) {
    const fields = meta.information_security_risk;
    events.push({
      type: 'data_token.security_meta_configured',
      version: 1,
      data: { tokenId },
      personal: { subject, fields: { ...fields } },
    });
  }
  return events;
}
