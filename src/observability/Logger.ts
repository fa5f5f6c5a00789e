/**
 * Structured logs: one JSON object a line (or one readable line on a terminal), collected and written in few writes. Own keys, not
 * Effect's. No prompt, answer, key or header value is ever given to it; a cause in a request is told by name and place only.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as EffectLogger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"

const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const
/** How grave a line is, from `trace` to `fatal`. */
export type Severity = (typeof levels)[number]

const severityNumbers: Readonly<Record<Severity, number>> = {
  trace: 1,
  debug: 5,
  info: 9,
  warn: 13,
  error: 17,
  fatal: 21
}

export interface LogSettings {
  /** `json` = one object a line, `pretty` = for people, `auto` = pretty on a terminal. Default `auto`. */
  readonly format: "auto" | "json" | "pretty"
  /** The least severity that is written; `none` = nothing. Default `info`. */
  readonly level: Severity | "none"
}

/** Values of a line; `undefined` is left out. */
export type Fields = Readonly<Record<string, unknown>>

export interface EventLogShape {
  /** True if a line of this severity would be written; ask before building costly fields. */
  readonly isEnabled: (severity: Severity) => boolean
  /** Queues one line. Never throws, never waits. `atMs` is milliseconds since the epoch. */
  readonly event: (severity: Severity, atMs: number, message: string, fields: Fields) => void
}

/** Where the gateway's own events go; silent until a layer of this module is provided. */
export const EventLog = Context.Reference<EventLogShape>("breakwater/observability/Logger/EventLog", {
  defaultValue: () => ({ isEnabled: () => false, event: () => undefined })
})

/** Writes the lines that wait, for who is about to end the process; nothing where lines do not wait. */
export const Flush = Context.Reference<Effect.Effect<void>>("breakwater/observability/Logger/Flush", {
  defaultValue: () => Effect.void
})

// The text of the current second, because a busy server writes many lines in one.
let second = Number.NaN
let secondText = ""

/** RFC 3339 with milliseconds. */
const timestamp = (atMs: number): string => {
  const seconds = Math.floor(atMs / 1000)
  if (seconds !== second) {
    second = seconds
    secondText = DateTime.formatIso(DateTime.makeUnsafe(seconds * 1000)).slice(0, 20)
  }
  return `${secondText}${String(Math.floor(atMs) - seconds * 1000).padStart(3, "0")}Z`
}

const jsonLine = (severity: Severity, atMs: number, message: string, fields: Fields): string =>
  JSON.stringify({
    timestamp: timestamp(atMs),
    severity_text: severity.toUpperCase(),
    severity_number: severityNumbers[severity],
    message,
    ...fields
  })

const prettyLine = (severity: Severity, atMs: number, message: string, fields: Fields): string => {
  let line = `${timestamp(atMs).slice(11, 23)} ${severity.toUpperCase().padEnd(5)} ${
    JSON.stringify(message).slice(1, -1)
  }`
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${key}=${typeof value === "number" ? value : JSON.stringify(value)}`
  }
  return line
}

/** A cause without its messages, which may echo what a caller wrote: names of errors and the places they came from. */
export const describeCause = (cause: Cause.Cause<unknown>): Fields => {
  const errors = Cause.prettyErrors(cause)
  const places = errors.flatMap((error) => (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)))
  return {
    "error.type": errors.map((error) => error.name).join(", "),
    "exception.stacktrace": places.slice(0, 20).map((line) => line.trim()).join("\n")
  }
}

const severityOf = (level: LogLevel.LogLevel): Severity =>
  levels.find((severity) => severity === level.toLowerCase()) ?? "info"

const text = (message: unknown): string =>
  (Array.isArray(message) ? message : [message]).map((part: unknown) =>
    typeof part === "string" ? part : JSON.stringify(part) ?? String(part)
  ).join(" ")

/** What `Effect.log…` says, in the same lines as the gateway's own events, with the ids of the span at hand. */
const effectLogger = (log: EventLogShape) =>
  EffectLogger.make<unknown, void>(({ cause, date, fiber, logLevel, message }) => {
    const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
    log.event(severityOf(logLevel), date.getTime(), text(message), {
      ...fiber.getRef(References.CurrentLogAnnotations),
      ...(span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }),
      ...(cause.reasons.length === 0 ? {} : describeCause(cause))
    })
  })

/** Makes the log of a line consumer. */
const makeEventLog = (settings: LogSettings, isTerminal: boolean, write: (line: string) => void): EventLogShape => {
  const least = settings.level === "none" ? Number.POSITIVE_INFINITY : severityNumbers[settings.level]
  const isPretty = settings.format === "pretty" || (settings.format === "auto" && isTerminal)
  const render = isPretty ? prettyLine : jsonLine
  const isEnabled = (severity: Severity) => severityNumbers[severity] >= least
  return {
    isEnabled,
    event: (severity, atMs, message, fields) => {
      if (isEnabled(severity)) write(render(severity, atMs, message, fields))
    }
  }
}

const layerOf = (log: EventLogShape, settings: LogSettings) =>
  Layer.mergeAll(
    Layer.succeed(EventLog, log),
    EffectLogger.layer([effectLogger(log)]),
    Layer.succeed(
      References.MinimumLogLevel,
      settings.level === "none" ? "None" : effectLevels[settings.level]
    )
  )

const effectLevels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal"
} as const

/** Lines wait at most this long, in milliseconds. */
const lingerMs = 50
/** Characters that may wait for a standard output that does not take them; what comes beyond is dropped and counted. */
const mostWaiting = 8 * 1024 * 1024

/** Writes to standard output in batches; what is left is written when the layer closes. */
export const layer = (settings: LogSettings): Layer.Layer<never, never, Stdio.Stdio> =>
  Layer.unwrap(Effect.gen(function*() {
    const stdio = yield* Stdio.Stdio
    const latch = yield* Latch.make()
    let waiting = ""
    let dropped = 0
    const write = (line: string): void => {
      if (waiting.length > mostWaiting) {
        dropped++
        return
      }
      waiting += `${line}\n`
      latch.openUnsafe()
    }
    const flush = Effect.suspend(() => {
      latch.closeUnsafe()
      if (waiting === "") return Effect.void
      const batch = dropped === 0 ? waiting : `${waiting}{"message":"log lines dropped","count":${dropped}}\n`
      waiting = ""
      dropped = 0
      return Effect.ignore(Stream.run(Stream.succeed(batch), stdio.stdout({ endOnDone: false })))
    })
    const loop = latch.await.pipe(Effect.andThen(Effect.sleep(lingerMs)), Effect.andThen(flush), Effect.forever)
    yield* Effect.forkScoped(loop)
    yield* Effect.addFinalizer(() => flush)
    const log = layerOf(makeEventLog(settings, yield* stdio.stdoutIsTerminal, write), settings)
    return Layer.merge(log, Layer.succeed(Flush, flush))
  }))

/** Gives each line to `write` at once, for tests and for other sinks. */
export const layerLines = (settings: LogSettings, write: (line: string) => void): Layer.Layer<never> =>
  layerOf(makeEventLog(settings, false, write), settings)
