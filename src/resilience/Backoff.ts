/**
 * How long to wait before asking the same target again: full jitter, `U(0, min(max, base·2^n))`, on top of the pause that the
 * target itself asked for. (Effect's `Schedule.jittered` is ±20 %, which keeps a crowd together.)
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { Deadline } from "./Deadline.ts"
import { remaining } from "./Deadline.ts"

/** Upper end of the jitter before retry `n`, where 0 is the first; milliseconds. */
export const ceilingMs = (baseMs: number, maxMs: number, n: number): number =>
  Math.min(maxMs, baseMs * 2 ** Math.min(n, 30))

/**
 * The longest pause asked for that is waited out rather than answered by another target: a third of what is left, at most
 * `maxMs`. Milliseconds.
 */
export const longestHintMs = (maxMs: number, leftMs: number): number => Math.min(maxMs, leftMs / 3)

export interface BackoffOptions<in Input> {
  /** Upper end of the first jitter, in milliseconds; doubles with each retry. */
  readonly baseMs: (input: Input) => number
  /** Upper end of every jitter and of a pause that is waited out, in milliseconds. */
  readonly maxMs: number
  /** What the target asked for, in milliseconds. */
  readonly hintMs: (input: Input) => number | undefined
  readonly deadline?: Deadline | undefined
}

/**
 * Recurs while a wait makes sense and outputs it in milliseconds: ends when the pause asked for is too long, or when the
 * deadline would pass during the wait. Jitter is added to a pause too, so that all who were told the same do not return at once.
 */
export const schedule = <Input>(options: BackoffOptions<Input>): Schedule.Schedule<number, Input> => {
  const next = ({ attempt, input }: Schedule.InputMetadata<Input>) =>
    Effect.gen(function*() {
      const leftMs = options.deadline === undefined ? Number.POSITIVE_INFINITY : yield* remaining(options.deadline)
      const hintMs = options.hintMs(input) ?? 0
      const jitterMs = (yield* Random.next) * ceilingMs(options.baseMs(input), options.maxMs, attempt - 1)
      return hintMs <= longestHintMs(options.maxMs, leftMs) && hintMs + jitterMs < leftMs
        ? hintMs + jitterMs
        : undefined
    })
  return Schedule.forever.pipe(
    Schedule.setInputType<Input>(),
    Schedule.map(next),
    Schedule.while(({ output }) => output !== undefined),
    Schedule.map(({ output }) => output ?? 0),
    Schedule.modifyDelay(({ output }) => Effect.succeed(output))
  )
}
