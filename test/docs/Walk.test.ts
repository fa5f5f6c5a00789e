import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { parse } from "effect/encoding/Yaml"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { DecisionRecord } from "../../src/domain/DecisionRecord.ts"
import * as Gateway from "../wire/Gateway.ts"

const page = readFileSync(join(import.meta.dirname, "../../docs/OPERATIONS.md"), "utf8")
const chapter = /## From one request id\n([^]*?)\n## /.exec(page)?.[1] ?? ""
const block = (language: string): string => new RegExp(`\`\`\`${language}\\n([^\`]+)\`\`\``).exec(chapter)?.[1] ?? ""
const decode = Schema.decodeUnknownSync(DecisionRecord, { onExcessProperty: "error" })
const shown = decode(JSON.parse(block("json")))

/** What does not differ from run to run. */
const essence = ({ alias, attempts, candidates, cost_source, cost_usd, ended, winner }: DecisionRecord) => ({
  alias,
  attempts: attempts.map(({ class: allowed, outcome, target }) => [target, outcome, allowed]),
  candidates,
  cost_source,
  cost_usd,
  ended,
  winner
})

describe("the walk from a request id in OPERATIONS", () => {
  let gateway: Gateway.Gateway
  beforeAll(async () => {
    gateway = await Gateway.start({
      ...Object(parse(block("yaml"))),
      // Nobody listens there, which harms no request.
      telemetry: { logs: { format: "json" }, otlp: { endpoint: "http://127.0.0.1:9" } }
    })
  })
  afterAll(async () => {
    expect(await gateway.stop()).toBe(0)
  })

  it("tells of one request throughout, the line of the log and the trace too", () => {
    const { request_id: id, trace_id } = shown
    expect(chapter.match(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g)?.filter((one) => one !== id)).toEqual([])
    expect(chapter).toContain(`/trace/${trace_id}`)
    const line = JSON.parse(/^\{.*request\.completed.*$/m.exec(page)?.[0].replace("{…}", "{}") ?? "{}")
    expect(line).toMatchObject({ "breakwater.request.id": id, trace_id, duration_ms: shown.duration_ms })
    expect(shown.attempts.at(-1)?.cost_usd).toBe(shown.cost_usd)
  })

  it("leads to what the page shows: attempts, reasons, cost and the trace that the log line names", async () => {
    const response = await fetch(`${gateway.url}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "fast", messages: [{ role: "user", content: "Hello" }] })
    })
    await response.text()
    const id = response.headers.get("x-request-id") ?? ""
    for (const line of block("text").trim().split("\n").slice(2)) {
      const [name = "", value] = line.split(": ")
      expect([name, response.headers.get(name)]).toEqual([name, value])
    }
    const path = /http:\/\/127\.0\.0\.1:8000(\S+)/.exec(block("sh"))?.[1]?.replace("$ID", id) ?? ""
    const ask = async () => {
      const answer = await fetch(`${gateway.origin}${path}`)
      return answer.status === 200 ? decode(await answer.json()) : undefined
    }
    // A request is remembered after its last byte has left.
    let record = await ask()
    while (record === undefined) record = await ask()
    expect(record.request_id).toBe(id)
    expect(essence(record)).toEqual(essence(shown))
    expect(record.trace_id).toMatch(/^[0-9a-f]{32}$/)
    const line = await gateway.says(new RegExp(`^\\{.*request\\.completed.*${id}.*$`, "m"))
    expect(JSON.parse(line[0])).toMatchObject({ trace_id: record.trace_id, "breakwater.decision": record })
  })
})
