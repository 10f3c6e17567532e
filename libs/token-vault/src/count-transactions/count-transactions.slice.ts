import type { Slice } from '@symbolon/http';
import { CountTransactionsController } from './count-transactions.controller';
import { CountTransactions } from './count-transactions.query';

export const countTransactionsSlice: Slice = {
  controllers: [CountTransactionsController],
  providers: [CountTransactions],
};
