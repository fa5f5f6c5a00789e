/** Callers who leave: in which phase of a request, and what the upstream must see of it. */
import { expect } from "@effect/vitest"
import { call } from "../faults/Client.ts"
import type { Upstream } from "../faults/Upstream.ts"

/** In which phase the caller leaves, by the scenario that holds the request there; none of them ends by itself. */
export const phases = [
  { phase: "while a stream waits for headers", scenario: "silence", stream: true, speaks: false },
  { phase: "while a stream waits for its first content", scenario: "role-then-silence", stream: true, speaks: false },
  { phase: "in the middle of a stream", scenario: "stall:20", stream: true, speaks: true },
  { phase: "in the middle of a flood", scenario: "flood:67108864", stream: true, speaks: true },
  { phase: "while a whole answer waits for headers", scenario: "silence", stream: false, speaks: false },
  { phase: "while a whole answer waits for its body", scenario: "headers-then-silence", stream: false, speaks: false },
  { phase: "in the middle of a whole answer", scenario: "stall:20", stream: false, speaks: false }
] as const

/**
 * Leaves as soon as the phase is reached and answers how long the upstream's socket then stayed open, in milliseconds. Fails when
 * the upstream's script came to an end of its own first, when the socket was closed by anybody but us, or when it is still open
 * after 5 s, where every limit of the gateway is a minute.
 */
export const leave = async (
  url: string,
  upstream: Upstream,
  { scenario, speaks, stream }: (typeof phases)[number],
  tag: string
): Promise<number> => {
  const model = `${scenario}#${tag}`
  const attempt = () => upstream.attemptsOf(model)[0]
  const leaving = new AbortController()
  const reached = Promise.withResolvers<void>()
  const gone = call(url, {
    model: `upstream/${model}`,
    stream,
    signal: leaving.signal,
    onPiece: () => reached.resolve()
  })
  const arrived = upstream.waitFor(() => attempt() !== undefined)
  const early = gone.then((seen) => {
    if (!leaving.signal.aborted) throw new Error(`answered before the caller left: ${seen.text}`)
  })
  await Promise.race([Promise.all([arrived, speaks ? reached.promise : undefined]), early])
  const leftAt = performance.timeOrigin + performance.now()
  leaving.abort()
  await gone
  await upstream.waitFor(() => attempt()?.closedAt !== undefined, 5000)
  expect(attempt()).toMatchObject({ n: 1, closedBy: "client" })
  return (attempt()?.closedAt ?? 0) - leftAt
}
