import type { Recorded } from '@symbolon/kernel';
import { insert, type Projection, type RowChange, statement, update } from '@symbolon/projection';
import { contextColumns, dataColumns, fileColumns, sealColumn, tokenTable } from './token-boxes';
import type { TokenData, TokenMeta } from './token.events';

/** What a token's owner sees of it (row 31), and where the other rows look tokens up. Never holds a token string. */
export const tokenList: Projection = {
  name: 'token-vault.token-list',
  version: 2,
  categories: ['token', 'profile'],
  // The counters follow the rows by themselves.
  tables: [tokenTable, 'token_vault.token_range'],
  on: {
    'data_token.space_reserved': async (event, boxes) => {
      const { tokenId, profileId, expiresAt } = event.data as TokenData<'data_token.space_reserved'>;
      const personal = (await boxes.open(event, profileId)) as { context: string; meta: TokenMeta } | null;
      const meta = personal?.meta;
      const risk = meta?.information_security_risk;
      return [
        insert(
          tokenTable,
          { token_id: tokenId },
          {
            profile_id: profileId,
            reserved_by: event.meta.commandId,
            status: 'temporary',
            writing: false,
            version: null,
            size: null,
            ...(personal ? await contextColumns(boxes, profileId, tokenId, personal.context) : {}),
            ...(await fileColumns(boxes, profileId, tokenId, meta?.file)),
            ...(await dataColumns(boxes, profileId, tokenId, meta?.data)),
            security: await sealColumn(boxes, profileId, tokenId, 'security', risk),
            created_at: event.recordedAt,
            updated_at: event.recordedAt,
            expires_at: expiresAt,
          },
        ),
      ];
    },
    'data_token.data_exchanged': (event) => [changed(event, { writing: true })],
    'data_token.made_permanent': (event) => {
      const { version, size } = event.data as TokenData<'data_token.made_permanent'>;
      return [changed(event, { status: 'permanent', writing: false, version, size })];
    },
    'data_token.data_replaced': (event) => [changed(event, { writing: true })],
    'data_token.version_confirmed': (event) => {
      const { version, size } = event.data as TokenData<'data_token.version_confirmed'>;
      return [changed(event, { writing: false, version, size })];
    },
    'data_token.write_failed': (event) => [changed(event, { writing: false })],
    'data_token.reservation_expired': (event) => [changed(event, { status: 'expired' })],
    'data_token.deleted': (event) => [changed(event, { status: 'deleted' })],
    'data_token.security_meta_configured': async (event, boxes) => {
      const subject = subjectOf(event);
      const { tokenId } = event.data as TokenData<'data_token.security_meta_configured'>;
      const personal = subject && (await boxes.open(event, subject));
      if (!subject || !personal) return [];
      const { classification, label, handling } = personal;
      const risk = { classification, label, handling };
      return [changed(event, { security: await sealColumn(boxes, subject, tokenId, 'security', risk) })];
    },
    'data_token.file_meta_configured': async (event, boxes) => {
      const subject = subjectOf(event);
      const { tokenId } = event.data as TokenData<'data_token.file_meta_configured'>;
      const personal = subject && (await boxes.open(event, subject));
      if (!subject || !personal) return [];
      const { file, context } = personal as { file: TokenMeta['file']; context: string | null };
      return [
        changed(event, {
          ...(await fileColumns(boxes, subject, tokenId, file)),
          ...(context === null ? {} : await contextColumns(boxes, subject, tokenId, context)),
        }),
      ];
    },
    'data_token.data_meta_configured': async (event, boxes) => {
      const subject = subjectOf(event);
      const { tokenId } = event.data as TokenData<'data_token.data_meta_configured'>;
      const personal = subject && (await boxes.open(event, subject));
      if (!subject || !personal) return [];
      const { data } = personal as { data: TokenMeta['data'] };
      return [changed(event, await dataColumns(boxes, subject, tokenId, data))];
    },
    /** What nobody can open any more is not kept either: rows made anew from the log would not have it. */
    'profile.deleted': (event) => [
      statement(
        `update token_vault.token
            set context = null, file = null, data = null, security = null, context_index = '{}', file_name_index = '{}',
                extension_index = null, data_type_index = null
          where profile_id = $1`,
        [(event.data as { profileId: string }).profileId],
      ),
      statement(`delete from token_vault.token_range where profile_id = $1 and value <> ''`, [
        (event.data as { profileId: string }).profileId,
      ]),
    ],
  },
};

function changed(event: Recorded, values: Record<string, unknown>): RowChange {
  const { tokenId } = event.data as { tokenId: string };
  return update(tokenTable, { token_id: tokenId }, { ...values, updated_at: event.recordedAt });
}

/** Meta is configured by the owner alone, so the profile that acted is the subject of the box. */
function subjectOf({ meta }: Recorded): string | null {
  return meta.actor.profileId;
}
