import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { answer, unicodeAnswer } from "./Answer.ts"
import { scripts } from "./Catalogue.ts"
import type { Call } from "./Client.ts"
import { call, readAnswer } from "./Client.ts"
import { cases } from "./scenarios.ts"
import { hints } from "./StatusScripts.ts"
import type { Upstream } from "./Upstream.ts"
import { start } from "./Upstream.ts"

let upstream: Upstream

beforeAll(async () => {
  upstream = await start({ scale: 100 })
})
afterAll(() => upstream.close())

let calls = 0
/** Asks under a tag of its own, so that every test starts at attempt one. */
const ask = (model: string, asked: Omit<Call, "model"> = {}) =>
  call(upstream.url, { model: `${model}#${++calls}`, ...asked })
const stream = (model: string, asked: Omit<Call, "model"> = {}) => ask(model, { stream: true, ...asked })
const first = (text: string, words: number): string => text.split(" ").slice(0, words).join(" ")
/** Leaves a stream that would stay open, once its text holds the mark. */
const streamUntil = (model: string, mark: string) => {
  const leave = new AbortController()
  let text = ""
  const onPiece = (piece: Buffer) => {
    text += piece.toString()
    if (text.includes(mark)) leave.abort()
  }
  return stream(model, { includeUsage: true, signal: leave.signal, onPiece })
}

describe("error statuses", () => {
  it.each([
    ["429", 429, "rate_limit_exceeded"],
    ["429-quota", 429, "insufficient_quota"],
    ["401", 401, "invalid_api_key"],
    ["404", 404, "model_not_found"],
    ["503", 503, null],
    ["529", 529, null],
    ["status:502", 502, null],
    ["context-length", 400, "context_length_exceeded"],
    ["content-filter", 400, "content_filter"]
  ])("%s answers %i with code %s", async (model, status, code) => {
    const seen = await ask(model, { stream: true })
    expect([seen.status, readAnswer(seen).errors]).toMatchObject([status, [{ code }]])
  })

  it("429-retry-after says how long and then answers", async () => {
    const model = `429-retry-after:2#${++calls}`
    const [refused, answered] = [await call(upstream.url, { model }), await call(upstream.url, { model })]
    expect([refused.status, refused.headers["retry-after"], answered.status]).toEqual([429, "2", 200])
  })

  it.each(Object.keys(hints))("429-hint:%s answers 429", async (kind) => {
    expect((await ask(`429-hint:${kind}`)).status).toBe(429)
  })

  it("flapping goes down and up by the count of attempts", async () => {
    const statuses = []
    for (let n = 0; n < 6; n++) statuses.push((await call(upstream.url, { model: "flapping:2:1" })).status)
    expect(statuses).toEqual([503, 503, 200, 503, 503, 200])
  })

  it("no-prefill refuses a conversation that ends with the assistant", async () => {
    expect((await ask("no-prefill", { messages: [{ role: "assistant", content: "Stone" }] })).status).toBe(400)
  })
})

describe("broken connections", () => {
  it.each(["reset-before-headers", "reset-mid-headers", "reset-before-headers-once"])(
    "%s gives no status",
    async (model) => {
      expect(await ask(model)).toMatchObject({ status: 0, error: "ECONNRESET" })
    }
  )

  it.each([
    ["role-only-reset", 0],
    ["cut:40", 40],
    ["fin-cut:7", 7]
  ])("%s breaks after %i words", async (model, words) => {
    const seen = await stream(model)
    const read = readAnswer(seen)
    expect([seen.clean, read.content, read.finishReasons, read.dones]).toEqual([false, first(answer, words), [], 0])
  })

  it("cut falls at the same share of a plain body", async () => {
    const seen = await ask("cut:40")
    expect([seen.clean, seen.status, readAnswer(seen).malformed]).toEqual([false, 200, 1])
  })

  it.each(["rst", "fin", "clean"])("cut-bytes ends by %s at the very byte", async (kind) => {
    const seen = await stream(`cut-bytes:777:${kind}`)
    expect([seen.bytes.length, seen.clean]).toEqual([777, kind === "clean"])
  })

  it("half-close and close-delimited still answer", async () => {
    for (const model of ["half-close", "close-delimited", "early-hints"]) {
      expect(readAnswer(await stream(model)).content).toBe(answer)
    }
  })

  it("garbage, huge headers and a short body are errors to a client", async () => {
    for (const model of ["garbage", "huge-headers", "many-headers", "content-length-short"]) {
      expect((await stream(model)).clean).toBe(false)
    }
  })

  it("a redirect leads to another name of the same server", async () => {
    const seen = await ask("302")
    expect([seen.status, seen.headers.location]).toEqual([
      302,
      `http://localhost:${new URL(upstream.url).port}/v1/elsewhere`
    ])
  })

  it("gzip is honest, mismatched, or a bomb", async () => {
    expect(gunzipSync((await stream("gzip")).bytes).toString()).toContain("data: [DONE]")
    const mismatched = await stream("gzip-mismatch")
    expect([mismatched.headers["content-encoding"], readAnswer(mismatched).content]).toEqual(["gzip", answer])
    const bomb = await stream("gzip-bomb:4")
    expect([bomb.bytes.length < 10_000, gunzipSync(bomb.bytes).length]).toEqual([true, 4 * 1024 * 1024])
  })
})

describe("streams", () => {
  it.each([
    ["stall:20", "wound", 20],
    ["stall-comments:20", ": keep-alive", 20],
    ["comments-only:10", ": keep-alive", 0]
  ])("%s says no more after its beginning", async (model, mark, words) => {
    const seen = await streamUntil(model, model === "stall:20" ? first(answer, 20).split(" ").at(-1) ?? mark : mark)
    expect([seen.clean, readAnswer(seen).content]).toEqual([false, first(answer, words)])
  })

  it("a stall may go on after a while", async () => {
    expect(readAnswer(await stream("stall:20:500")).content).toBe(answer)
  })

  it("clean-cut and done-cut end well without a finish_reason", async () => {
    for (const [model, dones] of [["clean-cut:40", 0], ["done-cut:40", 1]] as const) {
      const seen = await stream(model)
      expect([seen.clean, readAnswer(seen)]).toMatchObject([true, {
        content: first(answer, 40),
        finishReasons: [],
        dones
      }])
    }
  })

  it.each([
    ["no-done", { dones: 0, finishReasons: ["stop"] }],
    ["done-then-more", { dones: 2, finishReasons: ["stop", "stop"] }],
    ["duplicate-end", { dones: 1, finishReasons: ["stop", "stop"] }],
    ["malformed:2", { dones: 1, malformed: 2, content: answer }],
    ["error-after:20", { dones: 0, content: first(answer, 20), errors: [{ type: "server_error" }] }],
    ["error-first", { dones: 1, content: "", errors: [{ type: "server_error" }] }],
    ["error-first:anthropic", { content: "", errors: [{ type: "overloaded_error" }] }],
    ["content-filter-answer", { content: first(answer, 20), finishReasons: ["content_filter"] }],
    ["empty-content", { content: "", finishReasons: ["stop"], dones: 1 }]
  ])("%s ends as it says", async (model, expected) => {
    expect(readAnswer(await stream(model))).toMatchObject(expected)
  })

  it.each([["never-ending", "\"total_tokens\"", 0], ["done-then-open", "[DONE]", 1]])(
    "%s is whole and stays open",
    async (model, mark, dones) => {
      const seen = await streamUntil(model, mark)
      expect([seen.clean, readAnswer(seen)]).toMatchObject([false, { content: answer, finishReasons: ["stop"], dones }])
    }
  )

  it("an error in a 200 comes as JSON", async () => {
    const seen = await stream("json-error-200")
    expect([seen.status, seen.headers["content-type"], readAnswer(seen).errors.length]).toEqual([
      200,
      "application/json",
      1
    ])
  })
})

describe("framing", () => {
  it.each([
    "crlf",
    "cr",
    "mixed-ends",
    "bom",
    "multi-line",
    "no-space",
    "fields",
    "one-write",
    "byte-by-byte",
    "big-line:100000"
  ])(
    "%s is the same answer",
    async (model) => {
      expect(readAnswer(await stream(model))).toMatchObject({
        content: answer,
        finishReasons: ["stop"],
        dones: 1,
        malformed: 0
      })
    }
  )

  it("byte-by-byte has one piece for each byte", async () => {
    const seen = await stream("byte-by-byte")
    expect(seen.pieces).toBe(seen.bytes.length)
  })

  it("utf8-split has pieces that are not UTF-8 by themselves", async () => {
    const pieces: Array<Buffer> = []
    const seen = await stream("utf8-split", { onPiece: (piece) => pieces.push(piece) })
    expect(readAnswer(seen).content).toBe(unicodeAnswer)
    expect(pieces.some((piece) => piece.toString("utf8").includes("\uFFFD"))).toBe(true)
  })

  it("bodies of the wrong shape are what they say", async () => {
    expect(readAnswer(await ask("malformed-json")).malformed).toBe(1)
    expect(readAnswer(await ask("truncated-json")).malformed).toBe(1)
    expect(JSON.parse((await ask("empty-choices")).text).choices).toEqual([])
    expect(JSON.parse((await ask("wrong-shape")).text)).toEqual({ hello: 1 })
  })
})

describe("the tables", () => {
  const plain = (text: string): string => text.replaceAll(/[\s\\]+/g, " ")

  it("list every scenario with its faults", () => {
    const readme = plain(readFileSync(new URL("README.md", import.meta.url), "utf8"))
    for (const [name, { does, faults }] of Object.entries(scripts)) {
      expect(readme).toContain(plain(`| \`${name}\` | ${faults.join(", ") || "–"} | ${does} |`))
    }
  })

  it("expect only of scenarios that exist, each under a name of its own", () => {
    const named = cases.flatMap(({ fallback, scenario }) => [scenario, fallback ?? "ok"]).filter((name) =>
      name !== "none"
    )
    expect(named.filter((name) => !Object.hasOwn(scripts, name.split(":")[0] ?? ""))).toEqual([])
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
  })
})
