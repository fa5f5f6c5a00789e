/**
 * Answers that their callers do not read: such a one would keep its place beyond its deadline, for nobody takes the end of it. Its
 * connection is cut a second after. What is small is in the kernel's hands at once and needs no watching.
 */
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type * as Watchdog from "../resilience/Watchdog.ts"
import type { Exchange } from "./Exchange.ts"

/** Time for the last event to be read, in milliseconds. */
const lastWordsMs = 1000

/** From this size on, in bytes, the sending of a whole answer is waited for. */
const awaitedBytes = 1024 * 1024

/** The part of Node's request that is used. */
interface Connected {
  readonly socket: { readonly destroy: () => unknown }
}

const isConnected = (source: object): source is Connected =>
  "socket" in source && typeof source.socket === "object" && source.socket !== null && "destroy" in source.socket

const isAwaited = ({ body }: HttpServerResponse): boolean =>
  body._tag === "Stream" || (body._tag === "Uint8Array" && body.contentLength >= awaitedBytes)

/** Watches the sending of an answer until it is called off by what this gives. Undefined where there is nothing to watch. */
export const watch = (
  response: HttpServerResponse,
  exchange: Exchange,
  { source }: HttpServerRequest,
  watchdog: Watchdog.Watchdog
): (() => void) | undefined => {
  const { deadlineMs } = exchange.decision
  if (deadlineMs === undefined || !isAwaited(response) || !isConnected(source)) return undefined
  const watched: Watchdog.Watched = {
    atMs: deadlineMs + lastWordsMs,
    onDue: () => {
      exchange.ended = "unread"
      exchange.decision.error = "DeadlineExceeded"
      source.socket.destroy()
    }
  }
  watchdog.watch(watched)
  return () => watchdog.callOff(watched)
}
