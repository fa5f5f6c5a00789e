/** What a misbehaving upstream cannot take: time after the end of its answer, and memory. */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import * as Wire from "../wire/Gateway.ts"
import { answer } from "./Answer.ts"
import { call, readAnswer } from "./Client.ts"
import { inParallel } from "./Gateway.ts"
import { start, type Upstream } from "./Upstream.ts"

let upstream: Upstream
let gateway: Wire.Gateway

beforeAll(async () => {
  upstream = await start()
  gateway = await Wire.start({
    server: { limits: { lag: "60s" } },
    providers: { upstream: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: "none" } },
    // Patience of a minute everywhere: what ends early here does not end at a limit.
    defaults: {
      timeouts: { firstToken: "60s", answer: "60s", idle: "60s", total: "60s" },
      retry: { attempts: 1 },
      breaker: { minimumCalls: 100_000, consecutiveFailures: 100_000 }
    }
  })
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.close()
})

const ask = (scenario: string) => call(gateway.url, { model: `upstream/${scenario}`, stream: true })

describe("an answer that is complete", () => {
  it.for(["never-ending", "done-then-open"])(
    "ends though its upstream says no more (%s), and we close the socket",
    async (name) => {
      expect(readAnswer(await ask(name))).toMatchObject({ content: answer, finishReasons: ["stop"], dones: 1 })
      await upstream.waitFor(() => upstream.attemptsOf(name)[0]?.closedAt !== undefined)
      expect(upstream.attemptsOf(name)).toMatchObject([{ closedBy: "client" }])
    }
  )
})

const status = (): string => `/proc/${gateway.pid}/status`
/** The most memory that the gateway has had resident, in MiB. */
const peak = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(status(), "utf8"))?.[1]) / 1024

const mebibyte = 1024 ** 2

describe.skipIf(!existsSync("/proc/self/status"))("memory", () => {
  /** Less than one bomb unpacked, and than the events that are under way at once. */
  const bound = 64

  it.for(
    [
      ["gzip-bomb:64", 64],
      ["huge-headers:16384", 16],
      [`big-line:${16 * mebibyte}`, 16],
      [`big-event:${16 * mebibyte}`, 16]
    ] as const
  )(
    "is not what a crowd of answers of the kind %s would take (%i MiB each)",
    { timeout: 60_000 },
    async ([scenario, each]) => {
      await inParallel(4, Array.from({ length: 4 }), () => ask(scenario))
      const before = peak()
      await inParallel(4, Array.from({ length: 4 * Math.ceil(bound / each) }), () => ask(scenario))
      expect(peak() - before).toBeLessThan(bound)
      expect(readAnswer(await ask("ok")).content).toBe(answer)
    }
  )
})
