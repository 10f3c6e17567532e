import { IntField, isUuid, ListField, TextField } from '@symbolon/http';

/** Fields that rows 55 and 56 share. */
export class ConfigurationFields {
  @IntField(0, 100, { optional: true, description: 'With minimum_percentage or threshold' })
  percentageRequired?: number;

  @IntField(1, 100, { optional: true, description: 'With threshold' })
  countRequired?: number;

  @TextField(1, 20, { optional: true, description: 'A percentage, or with threshold a count n/m' })
  strategy_params?: string;

  @ListField(0, 1000, isUuid, { optional: true, description: 'Authenticators that are asked; empty = all' })
  deviceIdentifiers?: string[];

  @IntField(1, 100, { optional: true, description: "Default: the profile's" })
  quorumSize?: number;

  @IntField(1, 10, { optional: true, description: "Default: the profile's" })
  numberOfAttempts?: number;

  @TextField(1, 10, { optional: true, matches: /^(auth|data|admin)$/, says: 'must be auth, data or admin' })
  category?: 'auth' | 'data' | 'admin';
}

/** Names stand in paths, and in the clear in the log, which takes no NUL. */
export const nameForm = { matches: /^[^/\0]*$/, says: 'must not hold a slash or NUL' } as const;
