/** `breakwater check [FILE]`: what the configuration means, or everything that is wrong with it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Doubt } from "../config/Doubts.ts"
import { ConfigurationRefused, render } from "../config/Problem.ts"
import { environmentAlone, load, type Loaded } from "../config/Source.ts"
import { ExitWith } from "./Exit.ts"
import * as Guards from "./Guards.ts"
import * as Ledger from "./Ledger.ts"
import * as Limits from "./Limits.ts"
import * as Ollama from "./Ollama.ts"
import * as Tls from "./Tls.ts"

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`

/** Everything that is wrong, one problem after the other. */
export const refusal = (error: ConfigurationRefused): string =>
  [`${error.source}: ${count(error.problems.length, "problem")}`, ...error.problems.map(render)].join("\n")

const names = (list: ReadonlyArray<string>): string => list.length === 0 ? "none" : list.join(", ")

/** What it means, in a few lines. */
const summary = (loaded: Loaded, doubts: ReadonlyArray<Doubt>): string => {
  const { models, providers, server } = loaded.settings
  const limits = Limits.place(loaded.settings)
  return [
    `${loaded.source}: ok`,
    ...(loaded.source === environmentAlone ? ["  file         none named, and no ./breakwater.yaml here"] : []),
    `  listens on   ${server.host}:${server.port}${server.tls === undefined ? "" : ", TLS"}`,
    `  client keys  ${
      server.keys.length > 0
        ? names(server.keys.map((key) => key.name))
        : `none: open${Ledger.outlivesStop(loaded.settings) ? " where none was ever issued" : ""}, loopback only`
    }`,
    `  providers    ${names(providers.map((provider) => provider.name))}`,
    `  models       ${names(Object.keys(models))}`,
    ...Guards.lines(loaded.settings).map(([name, words]) => `  guards       ${name}: ${words}`),
    `  ledger       ${Ledger.place(loaded.settings)}`,
    `  issued keys  ${Ledger.placeOfKeys(loaded.settings)}`,
    ...(limits === undefined ? [] : [`  limits       ${limits}`]),
    ...loaded.inactive.map((key) => `  not active   ${key.path}: ${key.why}`),
    ...doubts.map(({ path, why }) => `  warning      ${path}: ${why}`)
  ].join("\n")
}

/** What can never work as it stands. The list of prices behind it is loaded here alone, for most commands need none. */
export const doubts = Effect.fnUntraced(function*({ settings }: Loaded, certificate?: Tls.Certificate) {
  const { doubtsOf } = yield* Effect.promise(() => import("../config/Doubts.ts"))
  return [...(yield* doubtsOf(settings)), ...(certificate === undefined ? [] : yield* Tls.doubts(certificate))]
})

/** Says everything that is wrong on stderr and exits 1. */
export const sayRefusal = (error: ConfigurationRefused) =>
  Effect.andThen(Console.error(refusal(error)), Effect.fail(new ExitWith({ code: 1 })))

/** Says why workers go on with what they have. */
export const sayKept = (error: ConfigurationRefused) =>
  Console.error(`SIGHUP: the workers stay as they are\n${refusal(error)}`)

/** A file that the start could not open, found before it. */
const openable = Effect.fnUntraced(function*({ settings, source }: Loaded) {
  const message = yield* Ledger.unopenable(settings)
  if (message === undefined) return
  return yield* new ConfigurationRefused({ source, problems: [{ path: "storage.sql", message }] })
})

/** Writes the summary to stdout, or the problems to stderr and exits 1. Without a file it checks what a start would use. */
export const check = (file: string | undefined) =>
  load({ config: file }, Ollama.answers).pipe(
    Effect.tap(openable),
    Effect.flatMap((loaded) =>
      Tls.read(loaded).pipe(
        Effect.flatMap((certificate) => doubts(loaded, certificate)),
        Effect.flatMap((found) => Console.log(summary(loaded, found)))
      )
    ),
    Effect.catchTag("ConfigurationRefused", sayRefusal)
  )
