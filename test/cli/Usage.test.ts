import { describe, expect, it } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { createServer } from "node:http"
import { show, type Wish } from "../../src/cli/Usage.ts"

const none = {
  input: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  input_audio: 0,
  input_image: 0,
  output: 0,
  reasoning: 0,
  output_audio: 0
}

const sum = (name: string, cost_usd: string | undefined, unpriced: number) => ({
  name,
  requests: 3,
  attempts: 3,
  tokens: none,
  cost_usd,
  estimated_usd: "0",
  estimated_tokens: { input: 0, output: 0 },
  unpriced
})

/** What the command writes of a server's answer. */
const shown = async (sums: ReadonlyArray<unknown>, format: Wish["format"] = "table"): Promise<string> => {
  const body = JSON.stringify({ store: "sqlite", by: "key", sums })
  const server = createServer((_, response) => response.setHeader("content-type", "application/json").end(body))
  await once(server.listen(0, "127.0.0.1"), "listening")
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
  const lines: Array<string> = []
  const log = (line: string) => void lines.push(line)
  await Effect.runPromise(
    show({ url, adminKey: undefined }, { by: "key", since: undefined, format }).pipe(
      Effect.provideService(Console.Console, { ...console, log })
    )
  )
  server.close()
  return lines.join("\n")
}

describe("breakwater usage", () => {
  it("shows no 0 where nothing of a cost is known", async () => {
    const text = await shown([sum("alice", undefined, 3), sum("", undefined, 1)])
    expect(text).toMatch(/^alice +3 +3 +0 +0 +0 +– +3$/m)
    expect(text).toMatch(/^– +3 +3 +0 +0 +0 +– +1$/m)
    expect(text).toMatch(/^all +6 +6 +0 +0 +0 +– +4$/m)
  })

  it("shows a 0 that is known, and what is known of a sum", async () => {
    const text = await shown([sum("free", "0", 0), sum("half", "0.5", 1)])
    expect(text).toMatch(/^free +3 +3 +0 +0 +0 +0 +0$/m)
    expect(text).toMatch(/^half +3 +3 +0 +0 +0 +0\.5 +1$/m)
    expect(text).toMatch(/^all +6 +6 +0 +0 +0 +0\.5 +1$/m)
  })
})
