/**
 * The streams that callers are reading: one that is silent for long gets a comment, so that no proxy on the way cuts it, and
 * when the drain is over all of them end with an error. One timer for all, no work for an event.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Draining, type GatewayError, gatewayError } from "../domain/GatewayError.ts"
import type { AnswerStream, Frame } from "../providers/Provider.ts"
import { monotonicMillisUnsafe } from "../resilience/MonotonicTime.ts"
import { type Member, Roster } from "../resilience/Roster.ts"
import * as Watchdog from "../resilience/Watchdog.ts"
import * as PendingAnswers from "./PendingAnswers.ts"
import type { ServerSettings } from "./ServerSettings.ts"

/** A stream between its first and its last byte. */
export interface OpenStream {
  /** The caller wants more, so all that came before has been sent. */
  readonly waits: () => void
  /** Something goes to the caller. */
  readonly sent: () => void
  /** Nothing more goes to the caller. */
  readonly close: () => void
}

const comment: Frame = {
  bytes: new TextEncoder().encode(": keep-alive\n\n"),
  chunk: { id: "", object: "chat.completion.chunk", created: 0, model: "", choices: [] },
  isContent: false,
  isTerminal: false,
  usage: undefined
}

const draining: GatewayError = gatewayError(
  new Draining({ message: "The gateway is being stopped and ended the stream before the answer was whole." })
)

export class OpenStreams extends Context.Service<OpenStreams, {
  /** Open until it is closed or the scope is. */
  readonly open: (answer: AnswerStream) => Effect.Effect<OpenStream, never, Scope.Scope>
  /** The requests that may yet become streams, or whole answers. */
  readonly pending: PendingAnswers.PendingAnswers
  /** Every open stream fails with `Draining` and every pending request is answered with it, and so is all that comes later. */
  readonly endAll: Effect.Effect<void>
  /** How many are open, for tests. */
  readonly size: () => number
}>()("breakwater/server/OpenStreams") {}

/** A stream that a caller is reading. */
interface Read extends Member {
  readonly answer: AnswerStream
}

const make = Effect.fnUntraced(function*(keepAliveMs: number) {
  const watchdog = yield* Watchdog.make
  const clock = yield* Effect.clockWith(Effect.succeed)
  const all = new Roster<Read>()
  const pending = PendingAnswers.make()
  let isOver = false
  // Moments are shared, for each of them is a look at all that is watched.
  const stepMs = keepAliveMs / 30
  const moment = (atMs: number): number => Math.ceil(atMs / stepMs) * stepMs

  const opened = (answer: AnswerStream): OpenStream => {
    let isBegun = false
    let isWaiting = false
    let sinceMs = 0
    const watched: Watchdog.Watched = {
      atMs: 0,
      onDue: () => {
        const nowMs = monotonicMillisUnsafe(clock)
        const isSilent = isWaiting && nowMs >= sinceMs + keepAliveMs
        if (isSilent) answer.nudge?.([comment])
        // Who does not ask for more has not read what came before; a comment would only be added to it.
        watched.atMs = moment((isWaiting && !isSilent ? sinceMs : nowMs) + keepAliveMs)
        watchdog.watch(watched)
      }
    }
    const read: Read = { answer }
    all.add(read)
    if (isOver) answer.stop?.(draining)
    return {
      waits: () => {
        sinceMs = monotonicMillisUnsafe(clock)
        isWaiting = isBegun
      },
      sent: () => {
        isWaiting = false
        if (isBegun) return
        isBegun = true
        watched.atMs = moment(monotonicMillisUnsafe(clock) + keepAliveMs)
        watchdog.watch(watched)
      },
      close: () => {
        isWaiting = false
        all.delete(read)
        watchdog.callOff(watched)
      }
    }
  }

  return OpenStreams.of({
    pending,
    open: (answer) =>
      Effect.flatMap(Effect.scope, (scope) => {
        const open = opened(answer)
        return Effect.as(Scope.addFinalizer(scope, Effect.sync(open.close)), open)
      }),
    endAll: Effect.sync(() => {
      isOver = true
      pending.endAll()
      for (const { answer } of all.members()) answer.stop?.(draining)
    }),
    size: () => all.size
  })
})

/** With the silence after which a stream gets a comment. */
export const layer = ({ keepAlive }: Pick<ServerSettings, "keepAlive">): Layer.Layer<OpenStreams> =>
  Layer.effect(OpenStreams, make(keepAlive))
