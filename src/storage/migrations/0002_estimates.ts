/** Guessed tokens beside those that were counted; an estimate of cost stands in `cost_pico` with `cost_source` = estimated. */
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

export const estimates = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`ALTER TABLE breakwater_attempts ADD COLUMN estimated_input BIGINT`
  yield* sql`ALTER TABLE breakwater_attempts ADD COLUMN estimated_output BIGINT`
})
