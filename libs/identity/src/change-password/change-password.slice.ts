import type { Slice } from '@symbolon/http';
import { ChangePasswordController } from './change-password.controller';
import { ChangePasswordHandler } from './change-password.handler';

export const changePasswordSlice: Slice = {
  controllers: [ChangePasswordController],
  providers: [ChangePasswordHandler],
};
