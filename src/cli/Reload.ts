/** SIGHUP to a process of its own: the prices of the file as it is now, with a line in the log. Workers are replaced instead. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type Flags, load, type Loaded } from "../config/Source.ts"
import { refusal } from "./Check.ts"
import * as Ollama from "./Ollama.ts"
import type { Running } from "./Serve.ts"

/** Names of what has another price that a line repeats. */
const mostNames = 50

const sayRepriced = ({ source }: Loaded, changed: ReadonlyArray<string>) =>
  Effect.logInfo(`SIGHUP: prices re-read, ${changed.length} changed; the rest of the file waits for a restart`).pipe(
    Effect.annotateLogs({ "event.name": "breakwater.prices.reload", source, changed: changed.slice(0, mostNames) })
  )

/** Takes the prices of the file as it is now; one that is refused changes nothing. */
export const reread = (flags: Flags) => ({ reprice }: Running) =>
  Effect.matchEffect(load(flags, Ollama.answers), {
    onSuccess: (loaded) => Effect.suspend(() => sayRepriced(loaded, reprice(loaded.settings))),
    onFailure: (refused) =>
      Effect.andThen(
        Console.error(`SIGHUP: the prices stay as they are\n${refusal(refused)}`),
        Effect.annotateLogs(Effect.logWarning("SIGHUP: the prices stay as they are, the file is refused"), {
          "event.name": "breakwater.prices.reload",
          source: refused.source,
          problems: refused.problems.length
        })
      )
  })
