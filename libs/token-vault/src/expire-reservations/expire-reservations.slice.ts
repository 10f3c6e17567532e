import type { Slice } from '@symbolon/http';
import { ExpireReservations } from './expire-reservations.handler';

export const expireReservationsSlice: Slice = { providers: [ExpireReservations] };
