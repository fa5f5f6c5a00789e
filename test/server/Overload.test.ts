import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { request } from "node:http"
import { chatPath, envelopeFaults, hello } from "./Client.ts"
import { makeFake } from "./Fake.ts"
import { listen } from "./Socket.ts"

const post = (url: string, body: unknown, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal) =>
  fetch(url + chatPath, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal })
  })

/** A server that has as many streams open as it may have, of which nothing more will come. */
const full = (limit: number, lines: Array<string> = []) =>
  Effect.gen(function*() {
    const fake = makeFake()
    fake.ending = "hang"
    const url = yield* listen(fake, lines, { shedding: { inFlight: limit, lagMs: 100 } })
    const leave = new AbortController()
    for (let n = 0; n < limit; n++) {
      const opened = yield* Effect.promise(() =>
        post(url, { ...hello, stream: true }, { "x-breakwater-priority": "critical" }, leave.signal)
      )
      expect(opened.status).toBe(200)
    }
    return { fake, url, leave: () => leave.abort() }
  })

/** Asks until the answer has this status. */
const until = async (status: number, ask: () => Promise<Response>): Promise<number> => {
  for (let tries = 0; tries < 1000; tries++) {
    const answer = await ask()
    await answer.text()
    if (answer.status === status) return answer.status
  }
  return 0
}

/** The status of an answer that comes although only the head was sent, of a body that is announced. */
const withoutBody = (url: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const sent = request(url + chatPath, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": 1_000_000 }
    })
    sent.on("response", (answer) => {
      resolve(answer.statusCode ?? 0)
      sent.destroy()
    })
    sent.on("error", reject)
    sent.flushHeaders()
  })

describe("a full gateway", () => {
  it.live("refuses with 503 overloaded, says when to come again and does not forbid it", () =>
    Effect.gen(function*() {
      const { leave, url } = yield* full(2)
      const answer = yield* Effect.promise(() => post(url, hello))
      const text = yield* Effect.promise(() => answer.text())
      expect([answer.status, answer.headers.get("retry-after"), answer.headers.get("retry-after-ms")]).toEqual([
        503,
        "1",
        "1000"
      ])
      expect(answer.headers.get("x-should-retry")).toBeNull()
      expect(answer.headers.get("x-request-id")).not.toBeNull()
      expect(JSON.parse(text).error.code).toBe("overloaded")
      expect(envelopeFaults(text)).toEqual([])
      leave()
    }))

  it.live("answers before the body has come", () =>
    Effect.gen(function*() {
      const { leave, url } = yield* full(1)
      expect(yield* Effect.promise(() => withoutBody(url))).toBe(503)
      leave()
    }))

  it.live("still answers probes, metrics, models and the operator", () =>
    Effect.gen(function*() {
      const { leave, url } = yield* full(1)
      const statusOf = (path: string, method = "GET") =>
        Effect.promise(async () => {
          const answer = await fetch(url + path, { method })
          await answer.text()
          return answer.status
        })
      for (const probe of ["live", "ready", "startup", "monitoring"]) {
        expect(yield* statusOf(`/api/v1/health/${probe}`)).toBe(200)
      }
      expect(yield* statusOf("/metrics")).toBe(200)
      expect(yield* statusOf("/v1/models")).toBe(200)
      expect(yield* statusOf("/api/v1/health/circuit-breakers/reset", "POST")).toBe(200)
      leave()
    }))

  it.live("takes calls again when others have left", () =>
    Effect.gen(function*() {
      const { fake, leave, url } = yield* full(3)
      expect((yield* Effect.promise(() => post(url, hello))).status).toBe(503)
      leave()
      fake.ending = "clean"
      expect(yield* Effect.promise(() => until(200, () => post(url, hello)))).toBe(200)
    }))

  it.live("keeps its last places for what matters more", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      fake.ending = "hang"
      const url = yield* listen(fake, [], { shedding: { inFlight: 4, lagMs: 100 } })
      const leave = new AbortController()
      const taken = async (priority: string): Promise<number> => {
        let count = 0
        const headers = { "x-breakwater-priority": priority }
        while ((await post(url, { ...hello, stream: true }, headers, leave.signal)).status === 200) count++
        return count
      }
      const counts: Array<number> = []
      for (const priority of ["batch", "best-effort", "normal", "Critical"]) {
        counts.push(yield* Effect.promise(() => taken(priority)))
      }
      expect(counts).toEqual([2, 1, 1, 0])
      leave.abort()
    }))

  it.live("counts who was turned away and says so in the log", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const { leave, url } = yield* full(1, lines)
      const countOf = async () => {
        const text = await (await fetch(`${url}/metrics`)).text()
        return Number(/^breakwater_shed_total\{priority="batch"\} (\d+)$/m.exec(text)?.[1] ?? 0)
      }
      const before = yield* Effect.promise(countOf)
      yield* Effect.promise(async () => (await post(url, hello, { "x-breakwater-priority": "batch" })).text())
      expect(yield* Effect.promise(countOf)).toBe(before + 1)
      const line = lines.find((text) => text.includes("LoadShed"))
      expect(line).toBeDefined()
      expect(JSON.parse(line ?? "{}")).toMatchObject({
        severity_text: "WARN",
        "http.response.status_code": 503,
        "error.type": "LoadShed",
        "breakwater.priority": "batch"
      })
      leave()
    }))
})

describe("x-breakwater-priority", () => {
  it.live("a word that is no class is refused with the classes, full or not", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      const url = yield* listen(fake, [])
      const answer = yield* Effect.promise(() => post(url, hello, { "x-breakwater-priority": "urgent" }))
      const { error } = JSON.parse(yield* Effect.promise(() => answer.text()))
      expect([answer.status, error.code, error.param]).toEqual([400, "unknown_priority", "x-breakwater-priority"])
      expect(error.message).toContain("critical, normal, best-effort, batch")
      expect(fake.asked).toEqual([])
    }))

  it.live("reaches the flow, and is normal unless the caller says otherwise", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      const url = yield* listen(fake, [])
      yield* Effect.promise(async () => (await post(url, hello)).text())
      yield* Effect.promise(async () => (await post(url, hello, { "x-breakwater-priority": "best-effort" })).text())
      expect(fake.asked.map(({ decision }) => decision.priority)).toEqual(["normal", "best-effort"])
    }))

  it.live("counts as no more than normal at the door for who shows no key that is known", () =>
    Effect.gen(function*() {
      const fake = makeFake()
      fake.ending = "hang"
      const keys = [{ name: "team", key: Redacted.make("sk-team") }]
      const url = yield* listen(fake, [], { keys, shedding: { inFlight: 10, lagMs: 100 } })
      const leave = new AbortController()
      const critical = { "x-breakwater-priority": "critical" }
      const statusOf = (headers: Record<string, string>) =>
        Effect.promise(async () => (await post(url, { ...hello, stream: true }, headers, leave.signal)).status)
      // Nine of ten places are for normal calls.
      for (let n = 0; n < 9; n++) expect(yield* statusOf({ authorization: "Bearer sk-team" })).toBe(200)
      expect(yield* statusOf(critical)).toBe(503)
      expect(yield* statusOf({ ...critical, authorization: "Bearer sk-guess" })).toBe(503)
      expect(yield* statusOf({ ...critical, authorization: "Bearer sk-team" })).toBe(200)
      leave.abort()
    }))
})
