import type { Slice } from '@symbolon/http';
import { DeleteAccountController } from './delete-account.controller';
import { DeleteAccountHandler } from './delete-account.handler';
import { FinishErasure } from './finish-erasure.reactor';
import { EraseProfile } from './erase-profile';

export const deleteAccountSlice: Slice = {
  controllers: [DeleteAccountController],
  providers: [DeleteAccountHandler, EraseProfile, FinishErasure],
};
