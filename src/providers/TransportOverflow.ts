/**
 * An answer whose head is longer than undici reads. undici ends the connection at the first header beyond, and then makes the
 * same error again for each that has come with it: ten thousand short ones hold the event loop for 60-110 ms, nearly all of it
 * spent on stack traces that nobody reads, and 6-13 ms without them. An upstream must not be able to stop everyone else for so long.
 */
interface Destroyed {
  destroy: (error?: Error & { readonly code?: unknown }) => unknown
}

const isSocket = (value: unknown): value is Destroyed =>
  typeof value === "object" && value !== null && "destroy" in value && typeof value.destroy === "function"

const withoutStacksThisTurn = (): void => {
  const { stackTraceLimit } = Error
  if (stackTraceLimit === 0) return
  Error.stackTraceLimit = 0
  // undici parses what it has read at one go, so this comes after the last of them.
  queueMicrotask(() => Error.stackTraceLimit = stackTraceLimit)
}

/** A connection on which only the first of these errors has a stack. */
export const guard = (socket: unknown): void => {
  if (!isSocket(socket)) return
  const { destroy } = socket
  socket.destroy = (error) => {
    if (error?.code === "UND_ERR_HEADERS_OVERFLOW") withoutStacksThisTurn()
    return destroy.call(socket, error)
  }
}
