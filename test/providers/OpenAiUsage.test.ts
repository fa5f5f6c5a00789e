import { describe, expect, it } from "@effect/vitest"
import { mendUsage, tierOf } from "../../src/providers/protocols/OpenAiUsage.ts"

const counts = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 }

const read = (more: Parameters<typeof mendUsage>[0]) => mendUsage({ ...counts, ...more })?.usage

describe("usage in OpenAI's dialect", () => {
  it("has every kind of token that prices tell apart", () => {
    const usage = read({
      prompt_tokens_details: { cached_tokens: 50, cache_write_tokens: 20, audio_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 4, audio_tokens: 3 }
    })
    expect(usage).toEqual({
      promptTokens: 100,
      completionTokens: 10,
      totalTokens: 110,
      cachedTokens: 50,
      cacheWriteTokens: 20,
      audioPromptTokens: 5,
      reasoningTokens: 4,
      audioCompletionTokens: 3
    })
  })

  it("is not there where a host says less than 0, for sums of tokens must not fall", () => {
    expect(read({ prompt_tokens: -5 })).toBeUndefined()
    expect(read({ completion_tokens: -1 })).toBeUndefined()
  })

  it("finds cached tokens where DeepSeek and others say them", () => {
    expect(read({ prompt_cache_hit_tokens: 60, prompt_cache_miss_tokens: 40 })?.cachedTokens).toBe(60)
    expect(read({ cached_tokens: 7 })?.cachedTokens).toBe(7)
  })

  it("takes what was written for an hour out of what was written in all", () => {
    const usage = read({
      prompt_tokens_details: { cache_write_tokens: 30 },
      cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 }
    })
    expect(usage).toMatchObject({ cacheWriteTokens: 10, cacheWrite1hTokens: 20 })
  })

  it("adds thinking to the completion only where the total says that it stands beside it", () => {
    const details = { completion_tokens_details: { reasoning_tokens: 40 } }
    expect(read({ ...details, total_tokens: 150 })?.completionTokens).toBe(50)
    expect(read({ ...details, completion_tokens: 60, total_tokens: 160 })?.completionTokens).toBe(60)
  })

  it("reads what a host says that it charges, exactly", () => {
    expect(read({ cost: 0.00333825 })?.reportedCost).toBe(3_338_250_000)
    expect(read({ cost: 0 })?.reportedCost).toBe(0)
    expect(read({ cost: { input_tokens_cost: 0.00001, request_cost: 0.005, total_cost: 0.00501 } })?.reportedCost)
      .toBe(5_010_000_000)
    expect(read({ cost_in_usd_ticks: 12_345 })?.reportedCost).toBe(1_234_500)
  })

  it("believes no cost that is none: no ticks, a fee beside the caller's own key, or no number", () => {
    for (
      const more of [{ cost_in_usd_ticks: 0 }, { cost: 0.01, is_byok: true }, { cost: "1" }, { cost: -1 }, { cost: {} }]
    ) {
      expect(read(more)).not.toHaveProperty("reportedCost")
    }
  })

  it("names the tier only where it is not the host's usual one", () => {
    expect(["default", "auto", "standard", "on_demand", "", null, 3].map((tier) => tierOf({ service_tier: tier })))
      .toEqual(Array.from({ length: 7 }))
    expect(tierOf({ service_tier: "ultrafast" })).toBe("ultrafast")
    expect(mendUsage({ ...counts }, "flex")?.usage.serviceTier).toBe("flex")
  })
})
