import type { Slice } from '@symbolon/http';
import { ExpiredCredentials } from './expired-credentials';

export const purgeExpiredSlice: Slice = { providers: [ExpiredCredentials] };
