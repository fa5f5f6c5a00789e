/** Settings to Layers: each room gets its own part of the file, and the whole becomes one application. */
import * as Effect from "effect/Effect"
import type { Settings } from "./Settings.ts"

/** Everything that answers, given a listening server. */
export const application = (_settings: Settings) => Effect.die("no room is wired")
