import { describe, expect, it } from "@effect/vitest"
import { knownMethod, latest, names, providerName, redactedUrl, v141 } from "../../src/observability/Conventions.ts"

describe("the conventions", () => {
  it("of both profiles differ where their texts do", () => {
    expect([v141.cacheWrite, latest.cacheWrite]).toEqual([
      "gen_ai.usage.cache_creation.input_tokens",
      "gen_ai.usage.cache_write.input_tokens"
    ])
    expect(v141.more).toBeUndefined()
  })

  it("have well-known names for providers, and ours where they have none", () => {
    const kinds = ["openai", "azure-openai", "gemini", "bedrock", "mistral", "xai", "openrouter"]
    expect(kinds.map((kind) => providerName(v141, kind))).toEqual([
      "openai",
      "azure.ai.openai",
      "gcp.gemini",
      "aws.bedrock",
      "mistral_ai",
      "x_ai",
      "openrouter"
    ])
  })

  it("have no name twice", () => {
    expect(new Set(Object.values(names)).size).toBe(Object.keys(names).length)
  })

  it("take a method that nobody knows for _OTHER", () => {
    expect(["GET", "PURGE", "get"].map(knownMethod)).toEqual(["GET", "_OTHER", "_OTHER"])
  })
})

describe("a URL on a span", () => {
  it.each([
    ["http://a/v1/chat", "http://a/v1/chat"],
    ["http://user:pass@a/v1", "http://a/v1"],
    ["http://a/v1?key=abc&x=1", "http://a/v1?key=REDACTED&x=1"],
    ["http://a/v1?x=1&api-key=abc", "http://a/v1?x=1&api-key=REDACTED"],
    ["http://a/v1?access_token=abc", "http://a/v1?access_token=REDACTED"],
    ["http://a/v1?X-Amz-Signature=abc&sig=d", "http://a/v1?X-Amz-Signature=REDACTED&sig=REDACTED"],
    ["http://a/v1?monkey=abc", "http://a/v1?monkey=abc"]
  ])("%s is written as %s", (url, written) => {
    expect(redactedUrl(url)).toBe(written)
  })
})
