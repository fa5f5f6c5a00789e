/**
 * What waits to be exported: a queue with an end, so that a collector that is down costs neither memory nor a request. What does
 * not fit is dropped and counted. What was refused for the moment stays in front and is sent again, later each time.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Catalogue from "./Catalogue.ts"
import { CurrentInstruments } from "./Instruments.ts"

/** Why a batch was not taken. */
export interface SendFailure {
  /** For operators; holds no secret. */
  readonly message: string
  /** Whether the same batch may be taken later. */
  readonly isTransient: boolean
}

export interface QueueOptions<A> {
  /** Items that may wait, those on their way included. */
  readonly capacity: number
  /** Items that are sent at once. */
  readonly batch: number
  /** Longest wait of an item, in milliseconds. */
  readonly intervalMs: number
  /** For what is left when the scope closes, in milliseconds; up to half of it for the answer to what is under way. */
  readonly shutdownMs: number
  /** Sends one batch; gives how many of it were rejected. */
  readonly send: (items: ReadonlyArray<A>) => Effect.Effect<number, SendFailure>
}

/** What operators see of it. */
export interface ExportState {
  readonly queued: number
  readonly exported: number
  /** Never sent, because the queue was full or the collector would not have them. */
  readonly dropped: number
  /** Why the last batch was not taken; absent while all is well. */
  readonly failure: string | undefined
}

export interface ExportQueue<A> {
  /** Never waits and never fails. */
  readonly push: (item: A) => void
  readonly state: () => ExportState
}

/** Longest pause between two tries while the collector is down, in milliseconds. */
const longestPauseMs = 30_000

/** Another program's span may hold what nobody can write, such as a ring; what follows it must still be sent. */
const unwritable: SendFailure = { message: "a batch could not be written", isTransient: false }

/** The numbers of the export at `/metrics`, set before each reading. */
const show = Effect.fnUntraced(function*(state: () => ExportState) {
  const instruments = yield* CurrentInstruments
  const spans = instruments.counter(Catalogue.telemetrySpans)
  const [left, lost] = [spans.of("exported"), spans.of("dropped")]
  const waiting = instruments.gauge(Catalogue.telemetryQueue).of()
  let told = { exported: 0, dropped: 0 }
  const look = () => {
    const { dropped, exported, queued } = state()
    left.add(exported - told.exported)
    lost.add(dropped - told.dropped)
    told = { exported, dropped }
    waiting.set(queued)
  }
  yield* instruments.observe(look)
  yield* Effect.addFinalizer(() => Effect.sync(look))
})

/** A line when the collector does not take spans any more, and one when it does again. */
const outages = () => {
  let isOut = false
  return {
    begin: ({ message }: SendFailure) => {
      if (isOut) return Effect.void
      isOut = true
      return Effect.logWarning(
        `traces: the collector takes no spans: ${message}; they wait, and are dropped when the queue is full`
      )
    },
    end: () => {
      if (!isOut) return Effect.void
      isOut = false
      return Effect.logInfo("traces: the collector takes spans again")
    }
  }
}

/** A queue that is emptied in the background until the scope closes. */
export const make = <A>(options: QueueOptions<A>): Effect.Effect<ExportQueue<A>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { batch, capacity, intervalMs, send } = options
    let items: Array<A> = []
    let wake: (() => void) | undefined
    let onTheWay = 0
    let exported = 0
    let dropped = 0
    let failure: string | undefined
    let failures = 0
    /** There while the end waits for the batch under way; nothing more is sent meanwhile. */
    let settled: (() => void) | undefined
    const state = (): ExportState => ({ queued: items.length + onTheWay, exported, dropped, failure })
    yield* show(state)
    const outage = outages()
    const arrive = (): void => {
      onTheWay = 0
      settled?.()
    }
    const onSent = (count: number, rejected: number) =>
      Effect.sync(() => {
        arrive()
        exported += count - rejected
        dropped += rejected
        failure = rejected === 0 ? undefined : `the collector rejected ${rejected} spans`
        failures = 0
      }).pipe(Effect.andThen(Effect.suspend(outage.end)), Effect.as(true))
    const onRefused = (taken: ReadonlyArray<A>, refused: SendFailure) =>
      Effect.sync(() => {
        arrive()
        failure = refused.message
        if (refused.isTransient) {
          items = [...taken, ...items]
          failures += 1
        } else dropped += taken.length
      }).pipe(Effect.andThen(Effect.suspend(() => outage.begin(refused))), Effect.as(!refused.isTransient))
    const putBack = (taken: ReadonlyArray<A>) =>
      Effect.sync(() => {
        onTheWay = 0
        items = [...taken, ...items]
      })
    /** One batch; false if it has to wait. Nobody knows whether one that is interrupted arrived, so it is sent again. */
    const step = Effect.suspend(() => {
      const taken = items.splice(0, batch)
      onTheWay = taken.length
      const sent = Effect.catchDefect(Effect.suspend(() => send(taken)), () => Effect.fail(unwritable))
      // What has its answer is neither put back nor left uncounted.
      return Effect.uninterruptibleMask((restore) =>
        Effect.matchEffect(Effect.onInterrupt(restore(sent), () => putBack(taken)), {
          onSuccess: (rejected) => onSent(taken.length, rejected),
          onFailure: (refused) => onRefused(taken, refused)
        })
      )
    })
    const drain: Effect.Effect<void> = Effect.suspend(() =>
      items.length === 0 || settled !== undefined
        ? Effect.void
        : Effect.flatMap(step, (goesOn) => goesOn ? drain : Effect.void)
    )
    /** The batch under way has its answer: one that is cut off here may have arrived, and would come a second time. */
    const answered = Effect.callback<void>((resume) => {
      settled = () => resume(Effect.void)
      if (onTheWay === 0) settled()
    })
    const rest = Effect.suspend(() => {
      settled = undefined
      return drain
    })
    const full = Effect.callback<void>((resume) => {
      if (items.length >= batch && failures === 0) return resume(Effect.void)
      wake = () => resume(Effect.void)
      return Effect.sync(() => {
        wake = undefined
      })
    })
    const turn = Effect.suspend(() => {
      const pauseMs = Math.min(intervalMs * 2 ** Math.min(failures, 10), Math.max(longestPauseMs, intervalMs))
      return failures > 0 ? Effect.sleep(pauseMs) : Effect.asVoid(Effect.timeoutOption(full, pauseMs))
    })
    const atTheEnd = Effect.sync(() => {
      dropped += items.length
      items = []
    })
    const scope = yield* Effect.scope
    const loop = yield* Effect.forkIn(Effect.forever(Effect.andThen(turn, drain)), scope)
    yield* Scope.addFinalizer(
      scope,
      Effect.timeoutOption(answered, options.shutdownMs / 2).pipe(
        Effect.andThen(Fiber.interrupt(loop)),
        Effect.andThen(rest),
        Effect.timeoutOption(options.shutdownMs),
        Effect.andThen(Fiber.interrupt(loop)),
        Effect.andThen(atTheEnd)
      )
    )
    return {
      push: (item) => {
        if (items.length + onTheWay >= capacity) {
          dropped += 1
          return
        }
        items.push(item)
        if (items.length >= batch && failures === 0) wake?.()
      },
      state
    }
  })
