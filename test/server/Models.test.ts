import { afterAll, describe, expect, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Providers } from "../../src/providers/Providers.ts"
import * as Simulated from "../../src/providers/Simulated.ts"
import * as Server from "../../src/server/Server.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { ask } from "./Client.ts"

const aliases = {
  seeing: {
    strategy: "ordered" as const,
    targets: [{
      provider: "sim",
      model: "sim-vision",
      weight: 1,
      capabilities: { context: 8000, maxOutput: 1000, vision: true, jsonSchema: false, prefill: false }
    }]
  }
}

const prices = { sim: { "sim-vision": { usdPerMtok: { input: "0.5", output: "1.5", cacheRead: "0.05" } } } }

const server = HttpRouter.toWebHandler(
  Server.layer(defaultServerSettings).pipe(
    Layer.provide(Gateway.layer({ aliases, prices })),
    Layer.provide(Providers.layer([Simulated.make("sim")])),
    Layer.provide(HttpServer.layerServices)
  ),
  { disableLogger: true }
)
afterAll(server.dispose)

const expected = {
  id: "seeing",
  object: "model",
  created: 0,
  owned_by: "breakwater",
  context_window: 8000,
  max_output_tokens: 1000,
  capabilities: { vision: true, json_schema: false, prefill: false },
  usd_per_mtok: { input: "0.5", output: "1.5", cache_read: "0.05" },
  targets: ["sim/sim-vision"]
}

describe("the models over HTTP", () => {
  it("have what is known of them beside OpenAI's members, in the list and alone", async () => {
    const { data } = JSON.parse((await ask(server, "/v1/models")).text)
    const alone = JSON.parse((await ask(server, "/v1/models/seeing")).text)
    expect([data[0], alone]).toEqual([expected, expected])
  })

  it("have OpenAI's members alone where nothing is known", async () => {
    const alone = JSON.parse((await ask(server, "/v1/models/sim/sim-fast")).text)
    expect(alone).toEqual({ id: "sim/sim-fast", object: "model", created: 0, owned_by: "sim" })
  })

  const schema = join(import.meta.dirname, "../../../shared/fixtures/openai-spec/model-list.schema.json")

  it.skipIf(!existsSync(schema))("satisfy OpenAI's own schema", async () => {
    const validate = new Ajv2020({ strict: false, logger: false }).compile(JSON.parse(readFileSync(schema, "utf8")))
    expect([validate(JSON.parse((await ask(server, "/v1/models")).text)), validate.errors]).toEqual([true, null])
  })

  it("refuse what the file says they cannot do, with why in the record of the request", async () => {
    const body = JSON.stringify({
      model: "seeing",
      messages: [{ role: "user", content: "x" }],
      response_format: { type: "json_schema", json_schema: { name: "x" } }
    })
    const init = { method: "POST", body, headers: { "content-type": "application/json" } }
    const reply = await ask(server, "/v1/chat/completions", init)
    expect([reply.status, JSON.parse(reply.text).error]).toEqual([400, {
      message: "The model cannot serve this request: sim/sim-vision (no json schema).",
      type: "invalid_request_error",
      param: "response_format",
      code: "unsupported_capability"
    }])
    const id = reply.headers.get("x-request-id")
    const record = JSON.parse((await ask(server, `/api/v1/health/monitoring/requests/${id}`)).text)
    expect(record.skipped).toEqual([{ target: "sim/sim-vision", why: "no json schema" }])
    expect(record.ended).toBe("refused")
  })
})
