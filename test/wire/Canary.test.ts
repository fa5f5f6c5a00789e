import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Canary from "./Canary.ts"
import * as Gateway from "./Gateway.ts"

/** Thirty requests and the start of a gateway, on a machine that may be busy. */
const timeout = 60_000

const models = [
  "ok",
  "word",
  "cut",
  "frame",
  "html",
  "nonsense",
  "400",
  "401",
  "404",
  "413",
  "422",
  "429",
  "500",
  "503"
]
const { canaries } = Canary

let upstream: Awaited<ReturnType<typeof Canary.start>>
let collector: Awaited<ReturnType<typeof Canary.receiver>>
beforeAll(async () => {
  upstream = await Canary.start()
  collector = await Canary.receiver()
})
afterAll(() => {
  upstream.close()
  collector.close()
})

const headers = { authorization: `Bearer ${canaries.clientKey}`, "content-type": "application/json" }
const operator = { authorization: `Bearer ${canaries.adminKey}` }

/** All that a database has written so far, in whichever of its files. */
const textIn = (folder: string): string =>
  readdirSync(folder).map((name) => readFileSync(join(folder, name)).toString("latin1")).join("\n")

/** The first event of a feed that never ends. */
const firstEvent = async (url: string): Promise<string> => {
  const leaving = new AbortController()
  const { body } = await fetch(url, { headers: operator, signal: leaving.signal })
  let text = ""
  if (body === null) return text
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    text += piece
    if (/^data: .*\n\n/m.test(text)) break
  }
  leaving.abort()
  return text
}

const pages = [
  "/api/v1/health",
  "/api/v1/health/monitoring",
  "/metrics",
  "/dashboard",
  "/v1/models",
  ...["model", "provider", "key", "tag", "day"].map((by) => `/api/v1/usage?by=${by}`)
]

/** Every answer of a run, and what each sink holds at its end. */
const run = async ({ capture = "none", exporter = "native" }: { capture?: string; exporter?: string }) => {
  collector.forget()
  const folder = mkdtempSync(join(tmpdir(), "breakwater-canary-"))
  const gateway = await Gateway.start({
    storage: { sql: `sqlite:${join(folder, "ledger.db")}` },
    server: { keys: [{ name: "app", key: canaries.clientKey }], adminKey: canaries.adminKey },
    providers: {
      up: {
        kind: "openai-compatible",
        baseUrl: upstream.url,
        apiKey: canaries.providerKey,
        headers: { "x-secret": canaries.headerKey }
      },
      // Its key is refused, and not used again after that.
      refused: { kind: "openai-compatible", baseUrl: upstream.url, apiKey: canaries.providerKey }
    },
    defaults: {
      retry: { attempts: 2, base: "1ms", throttleBase: "1ms", max: "5ms" },
      breaker: { minimumCalls: 1000, consecutiveFailures: 1000 }
    },
    telemetry: {
      logs: { format: "json", level: "trace" },
      otlp: { endpoint: collector.url, exporter, headers: { "x-key": canaries.otlpKey } },
      capture
    }
  })
  const ask = async (body: string, more: Readonly<Record<string, string>> = {}) => {
    const response = await fetch(`${gateway.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { ...headers, ...more },
      body
    })
    const text = await response.text().catch(() => "")
    const id = response.headers.get("x-request-id") ?? ""
    return { status: response.status, text, id, headers: JSON.stringify([...response.headers]) }
  }
  const answers: Array<Awaited<ReturnType<typeof ask>>> = []
  for (const model of models) {
    for (const stream of [false, true]) answers.push(await ask(JSON.stringify(Canary.requestOf(model, stream))))
  }
  // A mistake in the request, no JSON at all, another's key, and models that nobody has.
  answers.push(await ask(JSON.stringify({ ...Canary.requestOf("ok", false), temperature: canaries.prompt })))
  answers.push(await ask(`{"${canaries.prompt}`))
  answers.push(await ask("{}", { authorization: `Bearer ${canaries.providerKey}` }))
  answers.push(await ask(JSON.stringify({ ...Canary.requestOf("ok", false), model: "none" })))
  for (const model of [canaries.prompt, `up/${canaries.prompt}`, `up/${canaries.providerKey}`]) {
    for (const stream of [false, true]) {
      answers.push(await ask(JSON.stringify({ ...Canary.requestOf("ok", stream), model })))
    }
  }
  // A caller who leaves in the middle.
  const leaving = new AbortController()
  const left = await fetch(`${gateway.origin}/v1/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify(Canary.requestOf("hang", true)),
    signal: leaving.signal
  })
  await left.body?.getReader().read()
  leaving.abort()
  await gateway.says(/cancelled/)
  const told = async (path: string) => {
    const response = await fetch(`${gateway.origin}${path}`, { headers: path.startsWith("/v1/") ? headers : operator })
    expect([path, response.status]).toEqual([path, path === "/api/v1/health" ? expect.any(Number) : 200])
    return response.text()
  }
  const sinks: Record<string, string> = {}
  for (const path of pages) sinks[path] = await told(path)
  sinks["feed"] = await firstEvent(`${gateway.origin}/api/v1/health/monitoring/stream`)
  const found = await Promise.all(
    answers.map(async ({ id }) =>
      (await fetch(`${gateway.origin}/api/v1/health/monitoring/requests/${id}`, { headers: operator })).text()
    )
  )
  sinks["records"] = found.join("\n")
  expect(await gateway.stop()).toBe(0)
  sinks["ledger"] = textIn(folder)
  rmSync(folder, { recursive: true })
  sinks["log"] = gateway.output()
  sinks["spans"] = collector.of("/v1/traces")
  sinks["metrics"] = collector.of("/v1/metrics")
  return { answers, sinks }
}

describe("what a caller writes, and what is secret", () => {
  for (const exporter of ["native", "sdk"]) {
    it(`is in no line, span, metric or page, whatever the upstream repeats of it (${exporter})`, async () => {
      const { answers, sinks } = await run({ exporter })
      const clean = Object.keys(sinks).map((sink) => [sink, []])
      expect(Object.entries(sinks).map(([sink, text]) => [sink, Canary.found(text)])).toEqual(clean)
      // They were all there to be told.
      expect(sinks["log"]?.match(/breakwater\.request\.completed/g)?.length).toBeGreaterThan(models.length * 2)
      expect(sinks["spans"]).toContain("breakwater")
      expect(sinks["metrics"]).toContain("gen_ai.client.operation.duration")
      expect(sinks["/metrics"]).toContain("gen_ai_client_operation_duration_seconds_count")
      expect(sinks["/api/v1/health/monitoring"]).toContain("\"recent\"")
      expect(sinks["feed"]).toContain("\"recent\"")
      expect(sinks["records"]?.match(/"attempts":\[\{/g)?.length).toBeGreaterThan(models.length * 2)
      expect(sinks["ledger"]).toContain(answers[0]?.id)
      expect(sinks["/api/v1/usage?by=key"]).toContain("\"app\"")
      for (const { headers, text } of answers) {
        expect(Canary.found(text, Canary.secrets)).toEqual([])
        expect(Canary.found(headers)).toEqual([])
      }
      // The caller is told what an upstream says of the caller's own request, and of nothing else.
      const refused = answers.filter(({ status }) => status >= 400)
      expect(refused.filter(({ status, text }) => status >= 500 && Canary.found(text).length > 0)).toEqual([])
      expect(refused.some(({ status, text }) => status === 400 && text.includes(canaries.upstream))).toBe(true)
    }, timeout)
  }

  it("is kept where capture is on only in the lines of requests, and there without any secret", async () => {
    const { answers, sinks } = await run({ capture: "content" })
    const words = Object.values(canaries).filter((canary) => !Canary.secrets.includes(canary))
    const { log = "", spans = "", ...others } = sinks
    const kept = words.filter((canary) => canary !== canaries.user && canary !== canaries.upstream)
    const lines = log.split("\n").filter((line) => Canary.found(line).length > 0)
    expect(Canary.found(log, kept)).toEqual(kept)
    expect(lines.filter((line) => !line.includes("\"breakwater.request.completed\""))).toEqual([])
    expect(Canary.found(log + spans, [...Canary.secrets, canaries.user, canaries.upstream])).toEqual([])
    expect(Object.entries(others).filter(([, text]) => Canary.found(text).length > 0)).toEqual([])
    for (const { text } of answers) expect(Canary.found(text, Canary.secrets)).toEqual([])
  }, timeout)

  it("keeps the shape of a request and none of its words with `metadata`", async () => {
    const { sinks } = await run({ capture: "metadata" })
    expect(sinks["log"]).toContain("\"breakwater.request.roles\":[\"system\",\"user\",\"assistant\",\"tool\"]")
    expect(Object.entries(sinks).filter(([, text]) => Canary.found(text).length > 0)).toEqual([])
  }, timeout)
})
