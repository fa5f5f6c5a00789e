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
  /** For what is left when the scope closes, in milliseconds. */
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

    const instruments = yield* CurrentInstruments
    const spans = instruments.counter(Catalogue.telemetrySpans)
    const told = { exported: spans.of("exported"), dropped: spans.of("dropped") }
    const waiting = instruments.gauge(Catalogue.telemetryQueue).of()
    const before = { exported: 0, dropped: 0 }
    yield* instruments.observe(() => {
      told.exported.add(exported - before.exported)
      told.dropped.add(dropped - before.dropped)
      Object.assign(before, { exported, dropped })
      waiting.set(items.length + onTheWay)
    })
    const onSent = (count: number, rejected: number) =>
      Effect.sync(() => {
        onTheWay = 0
        exported += count - rejected
        dropped += rejected
        failure = rejected === 0 ? undefined : `the collector rejected ${rejected} spans`
        failures = 0
        return true
      })
    const onRefused = (taken: ReadonlyArray<A>, refused: SendFailure) =>
      Effect.sync(() => {
        onTheWay = 0
        failure = refused.message
        if (refused.isTransient) {
          items = [...taken, ...items]
          failures += 1
        } else dropped += taken.length
        return !refused.isTransient
      })
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
      return Effect.onInterrupt(
        Effect.matchEffect(sent, {
          onSuccess: (rejected) => onSent(taken.length, rejected),
          onFailure: (refused) => onRefused(taken, refused)
        }),
        () => putBack(taken)
      )
    })
    const drain: Effect.Effect<void> = Effect.suspend(() =>
      items.length === 0 ? Effect.void : Effect.flatMap(step, (goesOn) => goesOn ? drain : Effect.void)
    )
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
      Fiber.interrupt(loop).pipe(
        Effect.andThen(Effect.timeoutOption(drain, options.shutdownMs)),
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
      state: () => ({ queued: items.length + onTheWay, exported, dropped, failure })
    }
  })
