/**
 * The addresses of a name that a caller wrote, from the system's resolver. Trap: a lookup cannot be called off and holds a thread
 * that files and cryptography wait for too, so only so many may be under way.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import dns from "node:dns"
import { LookupFailed, Resolver } from "../validation/Url.ts"

interface LookupSettings {
  /** Milliseconds for one name; default 2000. */
  readonly timeoutMs: number
  /** Lookups under way, those that nobody waits for any more included; one more fails at once. Default 16. */
  readonly maxPending: number
}

const defaults: LookupSettings = { timeoutMs: 2000, maxPending: 16 }

const make = ({ maxPending, timeoutMs }: LookupSettings): Resolver["Service"] => {
  let pending = 0
  const ask = (name: string) =>
    Effect.callback<ReadonlyArray<string>, LookupFailed>((resume) => {
      if (pending >= maxPending) return resume(Effect.fail(new LookupFailed({ code: "busy" })))
      pending += 1
      dns.lookup(name, { all: true, order: "verbatim" }, (error, found) => {
        pending -= 1
        resume(
          error === null
            ? Effect.succeed(found.map(({ address }) => address))
            : Effect.fail(new LookupFailed({ code: error.code ?? "unknown" }))
        )
      })
    })
  return {
    addresses: (name) =>
      Effect.timeoutOrElse(ask(name), {
        duration: timeoutMs,
        orElse: () => Effect.fail(new LookupFailed({ code: "timeout" }))
      })
  }
}

/** @param overrides changes to the defaults that `LookupSettings` names */
export const layer = (overrides: Partial<LookupSettings> = {}): Layer.Layer<Resolver> =>
  Layer.sync(Resolver, () => make({ ...defaults, ...overrides }))
