import type { Slice } from '@symbolon/http';
import { ListTokensController } from './list-tokens.controller';
import { ListTokens } from './list-tokens.query';
import { TokenRanges } from './token-ranges.query';

export const listTokensSlice: Slice = { controllers: [ListTokensController], providers: [ListTokens, TokenRanges] };
