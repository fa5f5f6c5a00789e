import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { answer } from "../faults/Answer.ts"
import { call, readAnswer } from "../faults/Client.ts"
import { busy, inParallel } from "../faults/Gateway.ts"
import type { Upstream } from "../faults/Upstream.ts"
import { start } from "../faults/Upstream.ts"
import * as Gateway from "./Gateway.ts"
import { leave, phases } from "./Leaving.ts"

/** How many callers leave in each phase's crowd; a thousand where there is time for it. */
const crowd = process.env["BREAKWATER_FULL"] === "1" ? 1000 : 200

let upstream: Upstream
let gateway: Gateway.Gateway

beforeAll(async () => {
  upstream = await start()
  const provider = { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" }
  // Patience of a minute everywhere: what ends early here ends because the caller left.
  const patience = { firstToken: "60s", answer: "60s", idle: "60s", total: "60s" }
  gateway = await Gateway.start({
    providers: { upstream: provider, narrow: { ...provider, maxConcurrency: 1 } },
    defaults: { timeouts: patience }
  })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

describe("a caller who leaves", () => {
  it.for(phases)("$phase closes the upstream's socket", async (phase) => {
    await leave(gateway.url, upstream, phase, phase.phase)
    await gateway.until((seen) => Gateway.inFlight(seen) === 0)
  })

  it("in the queue of a busy target is never sent upstream", async () => {
    const holding = new AbortController()
    const held = call(gateway.url, { model: "narrow/silence#holds", signal: holding.signal })
    await upstream.waitFor(() => upstream.attemptsOf("silence#holds")[0] !== undefined)
    const leaving = new AbortController()
    const left = call(gateway.url, { model: "narrow/ok#queued", signal: leaving.signal })
    await gateway.until((seen) => seen.targets.some((target) => target.waiting === 1))
    leaving.abort()
    await left
    await gateway.until((seen) => seen.targets.every((target) => target.waiting === 0))
    holding.abort()
    await held
    await gateway.until((seen) => Gateway.inFlight(seen) === 0)
    expect(upstream.attemptsOf("ok#queued")[0]).toBeUndefined()
    expect(readAnswer(await call(gateway.url, { model: "narrow/ok#next" })).content).toBe(answer)
  })

  it("while the gateway waits to try again ends the request there", async () => {
    const model = "429-retry-after:4#backoff"
    const leaving = new AbortController()
    const before = (await gateway.monitoring()).totals.requests
    const left = call(gateway.url, { model: `upstream/${model}`, signal: leaving.signal })
    await upstream.waitFor(() => upstream.attemptsOf(model)[0]?.finishedAt !== undefined)
    leaving.abort()
    await left
    // Counted when it has ended, which is long before the pause has.
    await gateway.until((seen) => seen.totals.requests > before, 2000)
    expect(upstream.attemptsOf(model).length).toBe(1)
  })

  it("is no mark against the upstream", async () => {
    const { targets } = await gateway.monitoring()
    expect(targets.map((target) => target.breaker.state)).toEqual(targets.map(() => "closed"))
  })
})

describe(`${crowd} callers who leave`, () => {
  it("leave no socket at work, nothing in flight, and a gateway that answers", { timeout: 120_000 }, async () => {
    const times = await inParallel(20, Array.from({ length: crowd }), (_, index) => {
      const phase = phases[index % phases.length]
      if (phase === undefined) throw new Error("there is no such phase")
      return leave(gateway.url, upstream, phase, `crowd-${index}`)
    })
    const sorted = times.toSorted((first, second) => first - second)
    const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)
    console.log(`upstream closed after: median ${at(0.5)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms`)
    await gateway.until((seen) => Gateway.inFlight(seen) === 0)
    expect(busy(upstream)).toEqual([])
    await upstream.waitFor(({ openSockets }) => openSockets === 0)
    expect(readAnswer(await call(gateway.url, { model: "upstream/ok#after", stream: true }))).toMatchObject({
      content: answer,
      dones: 1
    })
    expect(gateway.isRunning()).toBe(true)
  })
})
