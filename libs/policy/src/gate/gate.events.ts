export type { GateEvent, GateOpened, PolicyMatched } from '@symbolon/contracts';
