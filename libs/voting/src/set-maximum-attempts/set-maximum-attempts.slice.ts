import type { Slice } from '@symbolon/http';
import { SetMaximumAttemptsController } from './set-maximum-attempts.controller';
import { SetMaximumAttemptsHandler } from './set-maximum-attempts.handler';

export const setMaximumAttemptsSlice: Slice = {
  controllers: [SetMaximumAttemptsController],
  providers: [SetMaximumAttemptsHandler],
};
