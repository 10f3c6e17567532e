export type { PolicyEvent } from '@symbolon/contracts';
