import { afterAll, describe, expect, it } from "@effect/vitest"
import { ask } from "../server/Client.ts"
import { makeFake, makeServer } from "../server/Fake.ts"

describe("the document", () => {
  const server = makeServer(makeFake())
  afterAll(server.dispose)
  const document = async () => JSON.parse((await ask(server, "/openapi.json")).text)

  it("is OpenAPI 3.1 and lists every route of the contract", async () => {
    const { openapi, paths } = await document()
    expect(openapi).toMatch(/^3\.1/)
    expect(Object.keys(paths)).toEqual(expect.arrayContaining([
      "/v1/chat/completions",
      "/v1/embeddings",
      "/v1/models",
      "/v1/models/{id}",
      "/api/v1/health",
      "/api/v1/health/ready",
      "/api/v1/health/monitoring",
      "/api/v1/health/circuit-breakers/reset"
    ]))
  })

  it("lists JSON and events under 200, and the envelope under each error", async () => {
    const { responses } = (await document()).paths["/v1/chat/completions"].post
    expect(Object.keys(responses["200"].content).sort()).toEqual(["application/json", "text/event-stream"])
    for (const status of ["400", "401", "404", "413", "415", "429", "500", "502", "503", "504"]) {
      expect(responses[status].content["application/json"].schema.$ref).toBe("#/components/schemas/ErrorBody")
    }
  })

  it("says that unknown members are allowed and keeps the framework's notes to itself", async () => {
    const text = JSON.stringify(await document())
    expect(text).not.toContain("\"additionalProperties\":false")
    expect(text).not.toContain("x-effect")
    expect(text).toContain("Unknown members are allowed")
  })

  it("documents every parameter of the chat request", async () => {
    const { properties, required } = (await document()).components.schemas.ChatRequest
    expect(required).toEqual(["model", "messages"])
    expect(Object.keys(properties).length).toBe(37)
  })

  it("the reference loads nothing from elsewhere", async () => {
    const { headers, text } = await ask(server, "/docs")
    expect(headers.get("content-type")).toContain("text/html")
    expect(text).not.toMatch(/<(?:script|link)[^>]+(?:src|href)=["']https?:/)
  })
})
