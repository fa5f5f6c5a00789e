/** `breakwater serve`: load the configuration, then serve here or through workers, and say so. */
import * as Effect from "effect/Effect"
import cluster from "node:cluster"
import type { Settings } from "../config/Settings.ts"
import { type Flags, load, type Loaded } from "../config/Source.ts"
import { logSettings } from "../config/TelemetrySection.ts"
import * as Logger from "../observability/Logger.ts"
import { sayFailure, sayReady } from "./Banner.ts"
import { sayKept, sayRefusal } from "./Check.ts"
import { ExitWith } from "./Exit.ts"
import * as Ollama from "./Ollama.ts"
import { reread } from "./Reload.ts"
import { type Application, serveHere } from "./Serve.ts"
import { processSignals, readyWord, workerSignals } from "./Signals.ts"
import * as Tls from "./Tls.ts"
import { killAll, supervise } from "./Workers.ts"

/** Makes the application from settings; called once per process, while the configuration is being read. */
export type LoadApplication = () => Promise<(settings: Settings) => Application<Error>>

const tellPrimary = (port: number) => Effect.sync(() => void process.send?.({ word: readyWord, port }))

const asPrimary = Effect.fnUntraced(function*(
  loaded: Loaded,
  flags: Flags,
  certificate: Tls.Certificate | undefined
) {
  const signals = yield* processSignals(killAll)
  const checkReload = load(flags, Ollama.answers).pipe(
    Effect.tap(Tls.read),
    Effect.as(true),
    Effect.catchTag(
      "ConfigurationRefused",
      (error) => Effect.as(sayKept(error), false)
    )
  )
  const count = loaded.settings.server.workers
  yield* supervise({ count, signals, onReady: sayReady(loaded, certificate), checkReload }).pipe(
    Effect.catchTag("WorkersFailed", ({ code }) => {
      killAll()
      return Effect.fail(new ExitWith({ code }))
    })
  )
})

const here = Effect.fnUntraced(function*(
  loaded: Loaded,
  flags: Flags,
  loadApplication: LoadApplication,
  certificate: Tls.Certificate | undefined
) {
  const isWorker = cluster.isWorker
  const signals = yield* isWorker ? workerSignals : processSignals(() => {})
  const application = yield* Effect.promise(loadApplication)
  yield* serveHere({
    settings: loaded.settings,
    certificate,
    application: application(loaded.settings),
    signals,
    onReady: isWorker ? tellPrimary : sayReady(loaded, certificate),
    onReload: reread(flags)
  }).pipe(Effect.catch(sayFailure(loaded.settings)))
})

/** Serves until SIGTERM or SIGINT has drained everything. Fails with `ExitWith` when it cannot start. */
export const start = Effect.fnUntraced(
  function*(flags: Flags, loadApplication: LoadApplication) {
    // Its modules load while the files and the local Ollama are asked.
    const early = loadApplication()
    const loaded = yield* load(flags, Ollama.answers)
    const certificate = yield* Tls.read(loaded)
    const isPrimary = cluster.isPrimary && loaded.settings.server.workers > 1
    yield* (isPrimary ? asPrimary(loaded, flags, certificate) : here(loaded, flags, () => early, certificate)).pipe(
      Effect.provide(Logger.layer(logSettings(loaded.settings.telemetry)))
    )
  },
  Effect.scoped,
  Effect.catchTag("ConfigurationRefused", sayRefusal)
)
