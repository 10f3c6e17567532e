import { Module, type OnModuleInit } from '@nestjs/common';
import { controllersOf, providersOf } from '@symbolon/http';
import { Registry } from '@symbolon/platform';
import { Evaluation } from './gate/evaluation';
import { GateReactors } from './gate/gates.reactors';
import { signIns } from './gate/sign-ins.projection';
import { SignIns } from './gate/sign-ins.query';
import { PolicyRows } from './policy/policies.query';
import { PolicyChanges } from './policy/policy-changes';
import { policyList } from './policy/policy-list.projection';
import * as slices from './slices';

@Module({
  controllers: controllersOf(slices),
  providers: [...providersOf(slices), Evaluation, GateReactors, PolicyChanges, PolicyRows, SignIns],
})
export class PolicyModule implements OnModuleInit {
  constructor(private readonly registry: Registry) {}

  onModuleInit(): void {
    this.registry.projections(policyList, signIns);
  }
}
