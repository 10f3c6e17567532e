import { invalid, TextField, UuidField } from '@symbolon/http';
import type { PolicyRef } from './policy.model';

/** Fields of rows 63 to 65: the one or the other. */
export class PolicyRefBody {
  @UuidField({ optional: true })
  policyId?: string;

  @TextField(1, 100, { optional: true })
  name?: string;
}

/** The id counts where both are given. */
export function policyRefOf({ policyId, name }: PolicyRefBody): PolicyRef {
  if (policyId !== undefined) return { policyId };
  if (name !== undefined) return { name };
  throw invalid({ policyId: ['is required, or name'] });
}
