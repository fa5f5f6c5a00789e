/** How the Redis of this process is, for health and metrics. Apart from the client, which is loaded only where one is set. */
import * as Context from "effect/Context"

export interface RedisState {
  /** Nothing is asked of it until it answers again. */
  readonly isAway: boolean
  /** Why; absent = it answers. */
  readonly why?: string | undefined
  /** Commands that it did not answer in time or refused, since the start. */
  readonly failures: number
  /** How often it was found away, since the start. */
  readonly losses: number
}

/** Reading it costs nothing; undefined where no Redis is set. */
export const RedisStatus = Context.Reference<(() => RedisState) | undefined>(
  "breakwater/storage/RedisStatus",
  { defaultValue: () => undefined }
)
