import { describe, expect, it } from "@effect/vitest"
import { makeBook } from "../../src/accounting/Cost.ts"
import { type Asked, sizeOf } from "../../src/admission/Rules.ts"
import type { ChatRequest } from "../../src/domain/Chat.ts"

const prices = makeBook([{
  name: "one",
  kind: "openai",
  prices: {
    m: {
      usdPerMtok: { input: "1", output: "10", outputAudio: "60" },
      serviceTiers: { priority: "2", flex: "0.5" }
    },
    plain: { usdPerMtok: { input: "1", output: "10" } }
  }
}])

/** The bound of a request of ten bytes and a hundred tokens of answer, in millionths of a dollar. */
const boundOf = (more: Partial<ChatRequest>, models: ReadonlyArray<string> = ["m"]): number | undefined => {
  const asked: Asked = {
    caller: undefined,
    request: { model: "fast", messages: [{ role: "user", content: "hi" }], max_tokens: 100, ...more },
    text: "0123456789",
    targets: models.map((model) => ({ provider: { name: "one" }, model })),
    prices,
    atMs: 0,
    note: () => {}
  }
  const { bound } = sizeOf(asked)
  return bound === undefined ? undefined : Number(bound) / 1_000_000
}

describe("the bound of a request", () => {
  it("is what its input and its longest answer cost", () => {
    expect(boundOf({})).toBe(1010)
  })

  it("is that of the tier it asks for where that costs more, and never that of one that costs less", () => {
    expect(boundOf({ service_tier: "priority" })).toBe(2020)
    expect(boundOf({ service_tier: "flex" })).toBe(1010)
    for (const tier of ["auto", "default", "constructor", null]) expect(boundOf({ service_tier: tier })).toBe(1010)
  })

  it("is that of a spoken answer where one is asked for and has a price", () => {
    expect(boundOf({ modalities: ["text", "audio"] })).toBe(6010)
    expect(boundOf({ modalities: ["text"] })).toBe(1010)
    expect(boundOf({ modalities: ["text", "audio"] }, ["plain"])).toBe(1010)
  })

  it("is that of its dearest target, and not known where the price of one is not", () => {
    expect(boundOf({ service_tier: "priority" }, ["plain", "m", "plain"])).toBe(2020)
    expect(boundOf({}, ["m", "unknown"])).toBeUndefined()
  })
})
