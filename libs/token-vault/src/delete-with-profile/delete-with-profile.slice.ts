import type { Slice } from '@symbolon/http';
import { DeleteWithProfile } from './delete-with-profile.reactor';

export const deleteWithProfileSlice: Slice = { providers: [DeleteWithProfile] };
