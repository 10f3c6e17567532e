import type { Slice } from '@symbolon/http';
import { RegisterProfileController } from './register-profile.controller';
import { RegisterProfileHandler } from './register-profile.handler';

export const registerProfileSlice: Slice = {
  controllers: [RegisterProfileController],
  providers: [RegisterProfileHandler],
};
