/** Does a local Ollama answer? Asked only without a file, beside the rest of the start-up. */
import * as Effect from "effect/Effect"
import { get } from "node:http"

/** Longest wait, in milliseconds; a port that nobody listens on refuses at once. */
const limitMs = 300

export const answers: Effect.Effect<boolean> = Effect.callback<boolean>((resume) => {
  const request = get("http://127.0.0.1:11434/api/version", { agent: false }, (response) => {
    response.resume()
    resume(Effect.succeed(response.statusCode === 200))
  })
  request.on("error", () => resume(Effect.succeed(false)))
  return Effect.sync(() => request.destroy())
}).pipe(Effect.timeoutOrElse({ duration: limitMs, orElse: () => Effect.succeed(false) }))
