/**
 * Structured logs: one JSON object a line (or one readable line on a terminal), collected and written in few writes. Own keys, not
 * Effect's. No prompt, answer, key or header value is ever given to it; a cause in a request is told by name and place only.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as EffectLogger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import {
  type Fields,
  type Format,
  renderOf,
  type Service,
  type Severity,
  severityNamed,
  severityNumbers
} from "./LogFormat.ts"
import * as Redaction from "./Redaction.ts"

export interface LogSettings {
  /** `pretty` = for people, `auto` = that on a terminal, else `otel`; the others are one object a line. Default `auto`. */
  readonly format: "auto" | Format
  /** The least severity that is written; `none` = nothing. Default `info`. */
  readonly level: Severity | "none"
  /** Whose lines they are. Default not said. */
  readonly service?: Service | undefined
}

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

/** A cause without its messages, which may echo what a caller wrote: names of errors and the places they came from. */
export const describeCause = (cause: Cause.Cause<unknown>): Fields => {
  const errors = Cause.prettyErrors(cause)
  const places = errors.flatMap((error) => (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)))
  return {
    "error.type": errors.map((error) => error.name).join(", "),
    "exception.stacktrace": places.slice(0, 20).map((line) => line.trim()).join("\n")
  }
}

const severityOf = (level: LogLevel.LogLevel): Severity => severityNamed(level.toLowerCase())

const text = (message: unknown): string =>
  (Array.isArray(message) ? message : [message]).map((part: unknown) =>
    typeof part === "string" ? part : JSON.stringify(part) ?? String(part)
  ).join(" ")

/** The ids of the span at hand. */
export const traceOf = (context: Context.Context<never>): Fields => {
  const span = Context.getOrUndefined(context, Tracer.ParentSpan)
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }
}

/** What a line must say of the request that its fiber works for, also in a fiber that was forked for it. */
export type Correlate = (context: Context.Context<never>) => Fields

const uncorrelated: Correlate = () => ({})

/** What `Effect.log…` says, in the same lines as the gateway's own events, with the ids of its request and of the span at hand. */
const effectLogger = (log: EventLogShape, correlate: Correlate) =>
  EffectLogger.make<unknown, void>(({ cause, date, fiber, logLevel, message }) => {
    log.event(severityOf(logLevel), date.getTime(), text(message), {
      ...fiber.getRef(References.CurrentLogAnnotations),
      ...correlate(fiber.context),
      ...traceOf(fiber.context),
      ...(cause.reasons.length === 0 ? {} : describeCause(cause))
    })
  })

/** The one line of each exchange: made of closed sets and numbers, and too frequent to be searched for secrets. */
export const completed = "breakwater.request.completed"

/** Makes the log of a line consumer. */
const makeEventLog = (settings: LogSettings, isTerminal: boolean, write: (line: string) => void): EventLogShape => {
  const { format, level, service } = settings
  const least = level === "none" ? Number.POSITIVE_INFINITY : severityNumbers[level]
  const render = renderOf(format === "auto" ? isTerminal ? "pretty" : "otel" : format, service)
  const isEnabled = (severity: Severity) => severityNumbers[severity] >= least
  return {
    isEnabled,
    event: (severity, atMs, message, fields) => {
      if (!isEnabled(severity)) return
      const line = render(severity, atMs, message, fields)
      write(fields["event.name"] === completed ? line : Redaction.scrubKeys(line))
    }
  }
}

const layerOf = (log: EventLogShape, settings: LogSettings, correlate: Correlate) =>
  Layer.mergeAll(
    Layer.succeed(EventLog, log),
    EffectLogger.layer([effectLogger(log, correlate)]),
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
/** Characters that are written at once: a longer text would not be young, and be there until all of the memory is looked through. */
const mostAtOnce = 32 * 1024
/** Characters that may wait for a standard output that does not take them; what comes beyond is dropped and counted. */
const mostWaiting = 8 * 1024 * 1024

/** Writes to standard output in batches; what is left is written when the layer closes. */
export const layer = (
  settings: LogSettings,
  correlate: Correlate = uncorrelated
): Layer.Layer<never, never, Stdio.Stdio> =>
  Layer.unwrap(Effect.gen(function*() {
    const stdio = yield* Stdio.Stdio
    const latch = yield* Latch.make()
    const full: Array<string> = []
    let last = ""
    let waiting = 0
    let dropped = 0
    const add = (text: string): void => {
      waiting += text.length
      last += text
    }
    const write = (line: string): void => {
      if (waiting > mostWaiting) {
        dropped++
        return
      }
      add(`${line}\n`)
      if (last.length > mostAtOnce) {
        full.push(last)
        last = ""
      }
      latch.openUnsafe()
    }
    // One by one, so that of what a slow output has not taken yet the rest is there for who flushes when this one is ended.
    const pieces = function*() {
      for (let piece = full.shift(); piece !== undefined; piece = full.shift()) {
        waiting -= piece.length
        yield piece
      }
    }
    const flush = Effect.suspend(() => {
      latch.closeUnsafe()
      if (waiting === 0) return Effect.void
      if (dropped > 0) add(`{"message":"log lines dropped","count":${dropped}}\n`)
      dropped = 0
      if (last !== "") full.push(last)
      last = ""
      return Effect.ignore(
        Stream.run(Stream.fromIterable(pieces(), { chunkSize: 1 }), stdio.stdout({ endOnDone: false }))
      )
    })
    const loop = latch.await.pipe(Effect.andThen(Effect.sleep(lingerMs)), Effect.andThen(flush), Effect.forever)
    yield* Effect.forkScoped(loop)
    yield* Effect.addFinalizer(() => flush)
    const log = layerOf(makeEventLog(settings, yield* stdio.stdoutIsTerminal, write), settings, correlate)
    return Layer.merge(log, Layer.succeed(Flush, flush))
  }))

/** Gives each line to `write` at once, for tests and for other sinks. */
export const layerLines = (
  settings: LogSettings,
  write: (line: string) => void,
  correlate: Correlate = uncorrelated
): Layer.Layer<never> => layerOf(makeEventLog(settings, false, write), settings, correlate)
