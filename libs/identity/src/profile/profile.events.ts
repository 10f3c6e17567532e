export type { ProfileEvent } from '@symbolon/contracts';
