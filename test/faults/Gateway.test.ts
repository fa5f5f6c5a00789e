import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Wire from "../wire/Gateway.ts"
import { answer, toolCall } from "./Answer.ts"
import type { Read, Seen } from "./Client.ts"
import { call, readAnswer } from "./Client.ts"
import { aliasesOf, busy, freeOnes, inParallel, modelsOf, type Outcome, run } from "./Gateway.ts"
import { blackhole, refused } from "./Listeners.ts"
import type { Expectation, FaultCase } from "./scenarios.ts"
import { cases, limits } from "./scenarios.ts"
import { start, type Upstream } from "./Upstream.ts"

const provider = (baseUrl: string, more: Readonly<Record<string, unknown>> = {}) => ({
  kind: "openai-compatible",
  baseUrl,
  apiKey: "none",
  ...more
})

const ordered = (...targets: ReadonlyArray<readonly [provider: string, model: string]>) => ({
  strategy: "ordered",
  targets: targets.map(([provider, model]) => ({ provider, model }))
})

let primary: Upstream
let fallback: Upstream
let hole: Awaited<ReturnType<typeof blackhole>>
let gateway: Wire.Gateway

beforeAll(async () => {
  ;[primary, fallback, hole] = await Promise.all([start(), start({ name: "fallback" }), blackhole()])
  gateway = await Wire.start({
    // A busy machine makes the loop late, which would shed the callers of a storm.
    server: { limits: { lag: "60s" } },
    providers: {
      primary: provider(primary.url),
      fallback: provider(fallback.url),
      // Both open soon: one for a short time, so that its recovery is seen, the other for longer than the tests run.
      brittle: provider(primary.url, { breaker: { consecutiveFailures: 2, openFor: "200ms", openMax: "200ms" } }),
      shut: provider(primary.url, { breaker: { consecutiveFailures: 2, openFor: "60s", openMax: "60s" } }),
      refused: provider(await refused()),
      hole: provider(hole.url)
    },
    models: {
      ...aliasesOf(cases),
      refused: ordered(["refused", "any"], ["fallback", "ok#refused"]),
      hole: ordered(["hole", "any"], ["fallback", "ok#hole"]),
      trips: ordered(["shut", "503#trips"], ["fallback", "ok#trips"]),
      mends: ordered(["brittle", "status:503:2#mends"]),
      "all-down": ordered(["shut", "503#down-1"], ["shut", "503#down-2"]),
      brownout: ordered(["primary", "brownout:0.5#half"], ["fallback", "ok#half"]),
      // Patient, because two hundred at once are slow on a machine that is busy, and slowness is not what is played.
      storm: {
        ...ordered(["primary", "503#storm"], ["fallback", "ok#storm"]),
        timeouts: { connect: "60s", firstToken: "60s", answer: "60s", idle: "60s", total: "120s" }
      }
    },
    defaults: limits
  })
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([primary, fallback, hole].map((each) => each?.close()))
})

/** They wait for what happens; how soon it does is the machine's affair. */
const patient = { timeout: 120_000 }

const envelope = {
  message: expect.any(String),
  type: expect.any(String),
  param: expect.toSatisfy((value) => value === null || typeof value === "string"),
  code: expect.toSatisfy((value) => value === null || typeof value === "string")
}

const expectContent = (row: FaultCase, wanted: Expectation, seen: Seen, read: Read) => {
  const isWhole = wanted.content === "full" || wanted.content === "filtered"
  const { clean, error, status } = seen
  // The text is here for the one who reads a failure.
  expect({ status, clean, error, text: seen.text.slice(0, 500) }).toMatchObject({
    status: wanted.status,
    clean: true,
    error: ""
  })
  expect(read.malformed).toBe(0)
  expect(read.errors).toEqual(isWhole ? [] : [envelope])
  expect(read.dones).toBe(isWhole && row.stream ? 1 : 0)
  expect(read.finishReasons).toEqual(
    wanted.content === "full" ? ["stop"] : wanted.content === "filtered" ? ["content_filter"] : []
  )
  if (wanted.content === "full") expect(read.content).toBe(wanted.says ?? answer)
  expect(read.usages.length).toBe(isWhole && (!row.stream || row.includeUsage === true) ? 1 : 0)
  if (wanted.content === "none") expect(read.content + read.toolArguments).toBe("")
  if (wanted.content === "partial-then-error") {
    expect(read.content + read.toolArguments).not.toBe("")
    expect(read.content).not.toBe(answer)
    expect([answer, toolCall.arguments].some((whole) => whole.startsWith(read.content + read.toolArguments))).toBe(true)
  }
  if (wanted.errorCode !== undefined) expect(read.errors).toMatchObject([{ code: wanted.errorCode }])
  expect(seen.headers["x-request-id"]).toBeTypeOf("string")
}

const expectRow = (row: FaultCase, outcome: Outcome, index: number) => {
  for (const { read, seen } of outcome.answers) expectContent(row, row.expect, seen, read)
  const models = modelsOf(row, index)
  // Who answers is who is named, and a stream that goes on elsewhere is still the one that began.
  const isElsewhere = row.expect.fallbackUsed && row.resumes === undefined
  for (const { read } of outcome.answers) {
    const named = row.requests === undefined && read.models.length > 0
    if (named) expect(read.models).toEqual([isElsewhere ? models.fallback : models.primary])
  }
  const { attempts, fallbackUsed, gapMs } = row.expect
  const free = freeOnes(primary, outcome.primary)
  expect(outcome.primary.length).toBeGreaterThanOrEqual(attempts.min)
  expect(outcome.primary.length - free).toBeLessThanOrEqual(attempts.max)
  expect(outcome.fallback.length > 0).toBe(fallbackUsed)
  if (gapMs !== undefined) {
    const [first, second] = outcome.primary
    // A timer may fire a fraction of a millisecond early.
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(gapMs - 2)
  }
  expect(outcome.next).toMatchObject({ content: answer, errors: [], finishReasons: ["stop"] })
  const last = outcome.answers.at(-1)?.seen
  // A stream that is resumed has told who began it.
  if (last?.status === 200 && row.requests === undefined && row.resumes === undefined) {
    expect(last.headers["x-breakwater-provider"]).toBe(fallbackUsed ? "fallback" : "primary")
    const made = outcome.primary.length + outcome.fallback.length - free
    expect(last.headers["x-breakwater-attempts"]).toBe(String(made))
  }
}

describe("the fault table", () => {
  let outcomes: ReadonlyArray<Outcome> = []

  beforeAll(async () => {
    outcomes = await inParallel(10, cases, (row, index) => run(gateway.url, { primary, fallback }, row, index))
  }, 90_000)

  it.for(cases.map((row, index) => [row.name, row, index] as const))("%s", ([, row, index]) => {
    const outcome = outcomes[index]
    if (outcome === undefined) throw new Error("the row was not run")
    expectRow(row, outcome, index)
  })

  it("leaves no upstream at work", async () => {
    await primary.waitFor((upstream) => busy(upstream).length === 0)
    await fallback.waitFor((upstream) => busy(upstream).length === 0)
  })

  it("leaves nothing in flight, and every attempt of the log is in the totals", async () => {
    const seen = await gateway.until((seen) => Wire.inFlight(seen) === 0)
    expect(seen.totals.requests).toBe(cases.reduce((sum, row) => sum + (row.requests ?? 1) + 1, 0))
    const made = primary.attempts.length + fallback.attempts.length - freeOnes(primary, primary.attempts)
    expect(seen.totals.attempts).toBe(made)
  })

  it("leaves metrics that say the same as the log", async () => {
    const text = await (await fetch(`${gateway.origin}/metrics`)).text()
    const sumOf = (metric: string): number =>
      [...text.matchAll(new RegExp(`^${metric}\\{route="/v1/chat/completions"[^}]*\\} (\\d+)$`, "gm"))]
        .reduce((sum, [, value]) => sum + Number(value), 0)
    expect(sumOf("breakwater_requests_total")).toBe(cases.reduce((sum, row) => sum + (row.requests ?? 1) + 1, 0))
    const made = primary.attempts.length + fallback.attempts.length - freeOnes(primary, primary.attempts)
    expect(sumOf("breakwater_request_attempts_total")).toBe(made)
  })

  it("leaves one outcome for each attempt, row by row: in the log, in the metrics and in the monitoring value", async () => {
    const text = await (await fetch(`${gateway.origin}/metrics`)).text()
    const { targets } = await gateway.monitoring()
    const measured = new Map<string, number>()
    for (
      const [, labels = "", count] of text.matchAll(/^http_client_request_duration_seconds_count\{(.*)\} (\d+)$/gm)
    ) {
      const target = /(?:^|,)target="([^"]*)"/.exec(labels)?.[1] ?? ""
      measured.set(target, (measured.get(target) ?? 0) + Number(count))
    }
    const rows = cases.map((row, index) => {
      const target = `primary/${modelsOf(row, index).primary}`
      const log = outcomes[index]?.primary ?? []
      const { attempts = 0, inFlight, waiting } = targets.find((each) => each.target === target) ?? {}
      return {
        target,
        made: log.length - freeOnes(primary, log),
        attempts,
        held: [inFlight, waiting],
        counted: measured.get(target)
      }
    })
    expect(rows).toEqual(
      rows.map(({ made, target }) => ({ target, made, attempts: made, held: [0, 0], counted: made }))
    )
  })

  it("leaves no mark for what is repeated for free, nor for what is the caller's fault", async () => {
    const { targets } = await gateway.monitoring()
    const blameless = cases.flatMap((row, index) =>
      row.faults.some((fault) => [11, 48, 50].includes(fault)) ? [`primary/${modelsOf(row, index).primary}`] : []
    )
    const marks = targets.filter(({ target }) => blameless.includes(target)).map(({ breaker, target }) => ({
      target,
      failureRate: breaker.failureRate
    }))
    expect(marks).toEqual(blameless.map((target) => ({ target, failureRate: 0 })))
  })

  it("leaves a gateway that answers", async () => {
    const seen = await call(gateway.url, { model: "primary/ok#after", stream: true })
    expect(readAnswer(seen)).toMatchObject({ content: answer, dones: 1 })
  })
})

describe("below HTTP", () => {
  it.for(["refused", "hole"])(
    "a target that cannot be connected to (%s) is asked once and fails over",
    async (model) => {
      const seen = await call(gateway.url, { model })
      expect(readAnswer(seen).content).toBe(answer)
      expect(seen.headers).toMatchObject({ "x-breakwater-provider": "fallback", "x-breakwater-attempts": "2" })
    }
  )
})

describe("a breaker", () => {
  const stateOf = async (target: string) =>
    (await gateway.monitoring()).targets.find((each) => each.target === target)?.breaker.state

  it("opens after failures in a row, and the target is then left alone", async () => {
    await call(gateway.url, { model: "trips" })
    expect(await stateOf("shut/503#trips")).toBe("open")
    const asked = primary.attemptsOf("503#trips").length
    const seen = await call(gateway.url, { model: "trips" })
    expect(readAnswer(seen).content).toBe(answer)
    expect(seen.headers["x-breakwater-attempts"]).toBe("1")
    expect(primary.attemptsOf("503#trips").length).toBe(asked)
  })

  it("lets the target back in once it is well", async () => {
    await call(gateway.url, { model: "mends" })
    let last = await call(gateway.url, { model: "mends" })
    const end = performance.now() + 5000
    while (last.status !== 200 && performance.now() < end) last = await call(gateway.url, { model: "mends" })
    expect(last.status).toBe(200)
    expect(await stateOf("brittle/status:503:2#mends")).not.toBe("open")
  })

  it("that is open on every target refuses with a pause and sends nothing", async () => {
    await call(gateway.url, { model: "all-down" })
    const asked = primary.attemptsOf("503#down-1").length + primary.attemptsOf("503#down-2").length
    const seen = await call(gateway.url, { model: "all-down" })
    expect(seen.status).toBe(503)
    expect(readAnswer(seen).errors).toMatchObject([{ code: "circuit_open" }])
    expect(Number(seen.headers["retry-after"])).toBeGreaterThan(0)
    expect(seen.headers["x-breakwater-attempts"]).toBe("0")
    expect(primary.attemptsOf("503#down-1").length + primary.attemptsOf("503#down-2").length).toBe(asked)
  })

  it("and the retry budget keep an outage from being multiplied, and no caller hears of it", patient, async () => {
    const storm = 200
    const seen = await Promise.all(
      Array.from({ length: storm }, (_, index) => call(gateway.url, { model: "storm", stream: index % 2 === 0 }))
    )
    expect(seen.map((each) => readAnswer(each).content)).toEqual(seen.map(() => answer))
    // Each caller's first try, and at most the hundred retries of the budget.
    expect(primary.attemptsOf("503#storm").length).toBeLessThanOrEqual(storm + 100)
    expect(fallback.attemptsOf("ok#storm").length).toBe(storm)
    const asked = primary.attemptsOf("503#storm").length
    await call(gateway.url, { model: "storm" })
    expect(primary.attemptsOf("503#storm").length - asked).toBeLessThanOrEqual(1)
  })

  it("and retries hide a target that fails half of its requests", async () => {
    const seen = await inParallel(8, Array.from({ length: 200 }), () => call(gateway.url, { model: "brownout" }))
    expect(seen.map((each) => readAnswer(each).content)).toEqual(seen.map(() => answer))
  })

  it("hears nothing from requests that are the caller's fault", async () => {
    await inParallel(8, Array.from({ length: 40 }), () => call(gateway.url, { model: "brittle/400#many" }))
    expect(await stateOf("brittle/*")).toBe("closed")
  })
})
