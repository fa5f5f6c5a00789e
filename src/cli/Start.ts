/** `breakwater serve`: load the configuration, then serve here or through workers, and say so. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import cluster from "node:cluster"
import type { Settings } from "../config/Settings.ts"
import { type Flags, load, type Loaded } from "../config/Source.ts"
import { logSettings } from "../config/TelemetrySection.ts"
import * as Logger from "../observability/Logger.ts"
import { banner, urlOf } from "./Banner.ts"
import { refusal, sayRefusal } from "./Check.ts"
import { ExitWith } from "./Exit.ts"
import * as Ollama from "./Ollama.ts"
import { reread } from "./Reload.ts"
import { type Application, serveHere } from "./Serve.ts"
import { processSignals, readyWord, workerSignals } from "./Signals.ts"
import * as Tls from "./Tls.ts"
import { killAll, supervise } from "./Workers.ts"

/** Makes the application from settings; called once per process, while the configuration is being read. */
export type LoadApplication = () => Promise<(settings: Settings) => Application<Error>>

const sayReady = (loaded: Loaded) => (port: number) =>
  Console.error(banner(loaded, urlOf(loaded.settings.server, port)))

const tellPrimary = (port: number) => Effect.sync(() => void process.send?.({ word: readyWord, port }))

const asPrimary = Effect.fnUntraced(function*(loaded: Loaded, flags: Flags) {
  const signals = yield* processSignals(killAll)
  const checkReload = load(flags, Ollama.answers).pipe(
    Effect.as(true),
    Effect.catchTag(
      "ConfigurationRefused",
      (error) => Effect.as(Console.error(`SIGHUP: the workers stay as they are\n${refusal(error)}`), false)
    )
  )
  const count = loaded.settings.server.workers
  yield* supervise({ count, signals, onReady: sayReady(loaded), checkReload }).pipe(
    Effect.catchTag("WorkersFailed", ({ code }) => {
      killAll()
      return Effect.fail(new ExitWith({ code }))
    })
  )
})

/** A failure to start, said in one line where it is one that an operator knows. */
const sayFailure = (settings: Settings) => (failure: Error) => {
  const cause = failure.cause ?? failure
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  const { host, port } = settings.server
  const line = code === "EADDRINUSE"
    ? `port ${port} on ${host} is taken: stop what listens there, or choose another with --port`
    : code === "EACCES"
    ? `port ${port} on ${host} may not be bound by this user: choose one above 1023 with --port`
    : `cannot start: ${cause instanceof Error ? cause.message : String(cause)}`
  return Effect.andThen(Console.error(line), Effect.fail(new ExitWith({ code: 1 })))
}

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
    onReady: isWorker ? tellPrimary : sayReady(loaded),
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
    yield* (isPrimary ? asPrimary(loaded, flags) : here(loaded, flags, () => early, certificate)).pipe(
      Effect.provide(Logger.layer(logSettings(loaded.settings.telemetry)))
    )
  },
  Effect.scoped,
  Effect.catchTag("ConfigurationRefused", sayRefusal)
)
