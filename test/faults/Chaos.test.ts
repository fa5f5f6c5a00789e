import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Wire from "../wire/Gateway.ts"
import { answer, toolCall, unicodeAnswer } from "./Answer.ts"
import { scripts } from "./Catalogue.ts"
import { type Call, call, type Read, readAnswer, type Seen } from "./Client.ts"
import { busy, freeOnes, inParallel } from "./Gateway.ts"
import { limits } from "./scenarios.ts"
import { start, type Upstream } from "./Upstream.ts"

/** Requests made; many more where there is time for them. */
const count = process.env["BREAKWATER_FULL"] === "1" ? 20_000 : 400

/** Too heavy for a crowd, or of a length that says nothing about waiting. */
const left = new Set(["gzip-bomb", "flood"])
const scenarios = Object.keys(scripts).filter((scenario) => !left.has(scenario))
/** Scenarios whose whole answer is, by their own nature, not one of the known texts. */
const oddTexts = new Set(["content-filter-answer", "empty-content", "invalid-utf8"])
const wholeTexts: ReadonlyArray<string> = [answer, unicodeAnswer, toolCall.arguments]

/** mulberry32, so that a failure can be had again. */
const random = (() => {
  let state = 20_261_123
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
})()

interface Plan {
  readonly scenario: string
  readonly asked: Call
  /** The caller leaves when this many pieces have come; 0 = as soon as it has asked. */
  readonly leavesAfter: number | undefined
}

const plans: ReadonlyArray<Plan> = Array.from({ length: count }, () => {
  const scenario = scenarios[Math.floor(random() * scenarios.length)] ?? "ok"
  const stream = random() < 0.7
  return {
    scenario,
    asked: { model: `alias-${scenario}`, stream, includeUsage: stream && random() < 0.5 },
    leavesAfter: random() < 0.1 ? Math.floor(random() * 10) : undefined
  }
})

let primary: Upstream
let fallback: Upstream
let gateway: Wire.Gateway

beforeAll(async () => {
  ;[primary, fallback] = await Promise.all([start({ scale: 20 }), start({ name: "fallback" })])
  const provider = { kind: "openai-compatible", apiKey: "none" }
  gateway = await Wire.start({
    providers: {
      primary: { ...provider, baseUrl: primary.url },
      fallback: { ...provider, baseUrl: fallback.url }
    },
    models: Object.fromEntries(scenarios.map((scenario) => [`alias-${scenario}`, {
      targets: [{ provider: "primary", model: scenario }, { provider: "fallback", model: "ok" }]
    }])),
    defaults: {
      timeouts: { ...limits.timeouts, firstToken: "500ms", answer: "500ms", idle: "500ms" },
      retry: { ...limits.retry, max: "200ms" },
      breaker: { openFor: "100ms", openMax: "500ms" }
    }
  })
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([primary, fallback].map((each) => each?.close()))
})

const play = async ({ asked, leavesAfter }: Plan): Promise<Seen> => {
  const leaving = new AbortController()
  let pieces = 0
  const seen = call(gateway.url, {
    ...asked,
    signal: leaving.signal,
    onPiece: () => {
      pieces += 1
      if (pieces === leavesAfter) leaving.abort()
    }
  })
  if (leavesAfter === 0) leaving.abort()
  return await seen
}

/** What is wrong with an answer to a caller who stayed; empty when it is honest. */
const faultsOf = ({ asked, scenario }: Plan, seen: Seen, read: Read): ReadonlyArray<string> => {
  const stream = asked.stream === true
  const text = read.content + read.toolArguments
  const isWhole = wholeTexts.includes(text) || oddTexts.has(scenario)
  const rules: ReadonlyArray<readonly [isKept: boolean, rule: string]> = seen.status !== 200
    ? [
      [seen.status >= 400 && seen.status < 500, "with a healthy fallback only the caller's own faults are errors"],
      [read.errors.length === 1 && text === "", "an error answer is one error"]
    ]
    : read.errors.length > 0
    ? [
      [stream && read.errors.length === 1, "a broken stream has one error event"],
      [read.finishReasons.length === 0 && read.dones === 0, "a broken stream has no end"],
      [text !== "" && wholeTexts.some((whole) => whole.startsWith(text)), "what came before is true"]
    ]
    : [
      [isWhole, "a clean end is that of a whole answer"],
      [read.finishReasons.length === 1, "there is one finish_reason"],
      [read.dones === (stream ? 1 : 0), "a stream ends with one [DONE]"],
      [read.usages.length === (stream && asked.includeUsage !== true ? 0 : 1), "usage comes once, if it was asked for"]
    ]
  return [...rules, [seen.clean, "HTTP ends as it must"] as const, [read.malformed === 0, "all data is JSON"] as const]
    .filter(([isKept]) => !isKept).map(([, rule]) => rule)
}

describe(`${count} requests to every fault at once`, () => {
  let answers: ReadonlyArray<Seen> = []

  beforeAll(async () => {
    answers = await inParallel(24, plans, play)
  }, 1_800_000)

  it("end honestly, each one", () => {
    const dishonest = plans.flatMap((plan, index) => {
      const seen = answers[index]
      if (seen === undefined || plan.leavesAfter !== undefined) return []
      const faults = faultsOf(plan, seen, readAnswer(seen))
      return faults.length === 0 ? [] : [{ ...plan, faults, status: seen.status, text: seen.text.slice(-300) }]
    })
    expect(dishonest).toEqual([])
  })

  it("leave nothing in flight and no upstream at work, and the two logs agree", async () => {
    const leavers = plans.filter(({ leavesAfter }) => leavesAfter !== undefined).length
    const seen = await gateway.until((seen) => Wire.inFlight(seen) === 0 && seen.totals.requests >= count - leavers)
    await primary.waitFor((upstream) => busy(upstream).length === 0)
    await fallback.waitFor((upstream) => busy(upstream).length === 0)
    const made = primary.attempts.length + fallback.attempts.length - freeOnes(primary, primary.attempts)
    // Who leaves at once may do so before the request has left for the upstream, or for the gateway.
    expect(seen.totals.attempts).toBeGreaterThanOrEqual(made)
    expect(seen.totals.attempts).toBeLessThanOrEqual(made + leavers)
  })

  it("are counted in the metrics as in the monitoring value", async () => {
    const { totals } = await gateway.monitoring()
    const text = await (await fetch(`${gateway.origin}/metrics`)).text()
    const sumOf = (metric: string): number =>
      [...text.matchAll(new RegExp(`^${metric}\\{route="/v1/chat/completions"[^}]*\\} (\\d+)$`, "gm"))]
        .reduce((sum, [, value]) => sum + Number(value), 0)
    expect(sumOf("breakwater_requests_total")).toBe(totals.requests)
    expect(sumOf("breakwater_request_attempts_total")).toBe(totals.attempts)
  })

  it("leave a gateway that answers", async () => {
    const seen = await call(gateway.url, { model: "fallback/ok", stream: true })
    expect(readAnswer(seen)).toMatchObject({ content: answer, dones: 1 })
    expect(gateway.output()).not.toMatch(/defect|InternalFailure/)
  })
})
