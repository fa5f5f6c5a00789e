import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Metric } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { setImmediate } from "node:timers/promises"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Health } from "../../src/gateway/Health.ts"
import * as Logger from "../../src/observability/Logger.ts"
import * as OpenAiCompatible from "../../src/providers/OpenAiCompatible.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Transport from "../../src/providers/Transport.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { answer } from "../faults/Answer.ts"
import { call, readAnswer } from "../faults/Client.ts"
import { busy, inParallel } from "../faults/Gateway.ts"
import { start, type Upstream } from "../faults/Upstream.ts"
import { leave, phases } from "./Leaving.ts"

let upstream: Upstream
beforeAll(async () => {
  upstream = await start()
})
afterAll(() => upstream.close())

/** Every fiber that starts and ends around and in the gateway. */
const fibers = { started: 0, active: 0 }
const counting = Layer.succeed(Metric.FiberRuntimeMetrics, {
  recordFiberStart: () => {
    fibers.started++
    fibers.active++
  },
  recordFiberEnd: () => {
    fibers.active--
  }
})

const minute = 60_000
const http = createServer()

/** The gateway in this process, so that its fibers can be counted. */
const application = HttpRouter.serve(Server.layer(defaultServerSettings), {
  disableLogger: true,
  disableListenLog: true
})
  .pipe(
    Layer.provideMerge(NodeHttpServer.layer(() => http, { port: 0, host: "127.0.0.1" })),
    Layer.provideMerge(Gateway.layer({
      timeouts: { firstTokenMs: minute, answerMs: minute, idleMs: minute, totalMs: minute }
    })),
    Layer.provide(
      Layer.unwrap(
        Effect.sync(() => Providers.layer([OpenAiCompatible.make({ name: "upstream", baseUrl: upstream.url })]))
      )
    ),
    Layer.provide(Transport.layer()),
    Layer.provide(Logger.layerLines({ format: "json", level: "none" }, () => {})),
    Layer.provide(counting)
  )

/** Waits for what must become true; fails with what it is instead. */
const until = async <A>(read: () => A | Promise<A>, wanted: A): Promise<void> => {
  const end = performance.now() + 5000
  for (;;) {
    const seen = await read()
    if (seen === wanted) return
    if (performance.now() > end) return expect(seen).toBe(wanted)
    await setImmediate()
  }
}

const connections = () =>
  new Promise<number>((resolve, reject) =>
    http.getConnections((error, count) => error === null ? resolve(count) : reject(error))
  )

describe("callers who leave, in every phase", () => {
  it.live("leave no fiber, no socket on either side and nothing in flight", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const { targets } = yield* Health
      const url = "port" in address ? `http://127.0.0.1:${address.port}/v1` : ""
      yield* Effect.promise(async () => {
        const ok = async (tag: string) => readAnswer(await call(url, { model: `upstream/ok#${tag}` })).content
        expect(await ok("before")).toBe(answer)
        // Each watchdog sleeps on one timer for all requests, on to the earliest limit that it ever heard of: awake from here on.
        await inParallel(1, phases, (phase, index) => leave(url, upstream, phase, `before-${index}`))
        await until(connections, 0)
        const before = { ...fibers, sockets: upstream.openSockets }
        const leaving = new AbortController()
        const held = Array.from(
          { length: 10 },
          () => call(url, { model: "upstream/silence#held", signal: leaving.signal })
        )
        await upstream.waitFor(() => upstream.attemptsOf("silence#held").length === held.length)
        expect(fibers.active).toBeGreaterThan(before.active)
        leaving.abort()
        await Promise.all(held)
        const crowd = Array.from({ length: 10 }, () => phases).flat()
        await inParallel(20, crowd, (phase, index) => leave(url, upstream, phase, `left-${index}`))
        expect(fibers.started - before.started).toBeGreaterThanOrEqual(crowd.length)
        await until(() => fibers.active <= before.active, true)
        await until(connections, 0)
        await until(() => upstream.openSockets <= before.sockets, true)
        expect(busy(upstream)).toEqual([])
        const guards = await Effect.runPromise(targets)
        expect(guards.map(({ inFlight, waiting }) => inFlight + waiting)).toEqual(guards.map(() => 0))
        expect(await ok("after")).toBe(answer)
        await until(() => fibers.active <= before.active, true)
      })
    }).pipe(Effect.provide(application)))
})
