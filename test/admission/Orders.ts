/** Orders at a desk, and what came of them in a word. */
import type { Purse } from "../../src/admission/Budget.ts"
import type { Order, Outcome } from "../../src/admission/Desk.ts"
import type { Line } from "../../src/admission/RateLimit.ts"

let last = 0

/** A name that no other test has. */
export const name = (): string => `key:${++last}`

/** An order of its own, of ten tokens and no money unless told otherwise. */
export const order = (
  lines: ReadonlyArray<Line>,
  purses: ReadonlyArray<Purse> = [],
  more: Partial<Order> = {}
): Order => ({
  id: `test-${++last}`,
  lines,
  purses,
  tokens: 10,
  bound: 0,
  ...more
})

export const why = (outcome: Outcome): string =>
  "granted" in outcome ? "granted" : "refused" in outcome ? outcome.refused.why : "unknown"
