import { type Decide, type Decided, type Model } from '@symbolon/kernel';

/**
 * Given events, when a command, then events or a refusal: `scenario(token, exchangeData).given(reserved).when(command)`.
 * `then(...events)` expects exactly these events, `refused(key)` that reason key and nothing else.
 */
export function scenario<C, E extends Decided, S>(model: Model<E, S>, decide: Decide<C, E, S>) {
  return {
    given: (...history: readonly E[]) => ({
      when: (command: C) => {
        const decision = decide(command, history.reduce<S>(model.evolve.bind(model), model.initial));
        return {
          then: (...events: readonly E[]): void => expect(decision).toEqual({ accepted: true, events }),
          refused: (key: string): void =>
            expect(decision).toEqual({ accepted: false, refusal: expect.objectContaining({ key }) }),
        };
      },
    }),
  };
}
