/** Where limits and budgets are counted, in the words of the banner and of `check`. */
import * as Redacted from "effect/Redacted"
import type { Settings } from "../config/Settings.ts"

/** Host and port alone, for what is before them is secret; undefined = here, which is not worth a word. */
export const place = ({ storage: { redis } }: Settings): string | undefined =>
  redis === undefined ? undefined : `Redis at ${new URL(Redacted.value(redis)).host}`
