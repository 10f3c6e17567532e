import type { PersonalBoxes } from '@symbolon/crypto';
import type { TokenMeta } from './token.events';

export const tokenTable = 'token_vault.token';

/** Columns of a token's row that hold personal data, each in a box of its own. */
export type Boxed = 'context' | 'file' | 'data' | 'security';

/** A value of a column as the row keeps it. Null stays null: an absent section is nobody's secret. */
export async function sealColumn(
  boxes: PersonalBoxes,
  owner: string,
  tokenId: string,
  column: Boxed,
  value: unknown,
): Promise<string | null> {
  return value === null || value === undefined ? null : boxes.sealRow(owner, `${tokenTable}.${column}`, tokenId, value);
}

export async function openColumn<T>(
  boxes: PersonalBoxes,
  owner: string,
  tokenId: string,
  column: Boxed,
  box: string | null,
): Promise<T | null> {
  return box === null ? null : ((await boxes.openRow(owner, `${tokenTable}.${column}`, tokenId, box)) as T | null);
}

/** Blind indexes of a value for exact and prefix search. */
async function prefixIndexes(
  boxes: PersonalBoxes,
  owner: string,
  column: string,
  value: string | undefined,
): Promise<string[]> {
  if (value === undefined) return [];
  const length = [...value].length;
  const lengths = boxes.prefixLengths.filter((prefix) => prefix <= length);
  return Promise.all([
    boxes.blindIndex(owner, column, value),
    ...lengths.map((prefix) => boxes.blindIndex(owner, column, value, prefix)),
  ]);
}

/** Columns of the row for the `file` section. */
export async function fileColumns(boxes: PersonalBoxes, owner: string, tokenId: string, file: TokenMeta['file']) {
  return {
    file: await sealColumn(boxes, owner, tokenId, 'file', file),
    file_name_index: await prefixIndexes(boxes, owner, 'fileName', file?.fileName),
    extension_index: file?.extension === undefined ? null : await boxes.blindIndex(owner, 'extension', file.extension),
  };
}

export async function contextColumns(boxes: PersonalBoxes, owner: string, tokenId: string, context: string) {
  return {
    context: await sealColumn(boxes, owner, tokenId, 'context', context),
    context_index: await prefixIndexes(boxes, owner, 'context', context),
  };
}

export async function dataColumns(boxes: PersonalBoxes, owner: string, tokenId: string, data: TokenMeta['data']) {
  const type = data?.['type'];
  return {
    data: await sealColumn(boxes, owner, tokenId, 'data', data),
    data_type_index: typeof type === 'string' ? await boxes.blindIndex(owner, 'dataType', type) : null,
  };
}
