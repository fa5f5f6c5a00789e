import { describe, expect, it } from "@effect/vitest"
import { type Cost, makeBook, type PricedProvider } from "../../src/accounting/Cost.ts"
import type { Usage } from "../../src/domain/Usage.ts"

const at = Date.parse("2026-11-22T12:00:00Z")
const million: Usage = { promptTokens: 1_000_000, completionTokens: 0, totalTokens: 1_000_000 }

/** USD for a million tokens of input, or why that is not known. */
const usd = (provider: Omit<PricedProvider, "name">, model: string, told: Partial<Usage> = {}): number | string => {
  const cost: Cost = makeBook([{ name: "p", ...provider }]).costOf("p", model, { ...million, ...told }, at)
  return "picoUsd" in cost ? Number(cost.picoUsd) / 1e12 : cost.absent
}

const bedrock = (model: string, region = "us-east-1"): number | string => usd({ kind: "bedrock", region }, model)

describe("what Bedrock costs", () => {
  it("is the price of the name: the same in one region and in a profile of several, less in the one of all", () => {
    const name = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    expect([name, `us.${name}`, `eu.${name}`, `jp.${name}`].map((one) => bedrock(one, "eu-central-1")))
      .toEqual([3.3, 3.3, 3.3, 3.3])
    expect(bedrock(`global.${name}`, "ap-southeast-2")).toBe(3)
    expect(bedrock("us.anthropic.claude-opus-4-6-v1")).toBe(5.5)
    expect(bedrock("us.anthropic.claude-opus-4-6")).toBe(5.5)
  })

  it("is found behind the ARN of a model or of a profile of AWS's, and behind a size of context", () => {
    expect(bedrock("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0")).toBe(0.06)
    expect(bedrock("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0")).toBe(0.06)
    expect(bedrock("amazon.nova-lite-v1:0:300k")).toBe(0.06)
  })

  it("is known of the models that make vectors", () => {
    expect([
      "amazon.titan-embed-text-v1",
      "amazon.titan-embed-text-v2:0",
      "amazon.nova-2-multimodal-embeddings-v1:0",
      "cohere.embed-multilingual-v3",
      "us.cohere.embed-v4:0"
    ].map((model) => bedrock(model))).toEqual([0.1, 0.02, 0.135, 0.1, 0.12])
    expect(bedrock("global.cohere.embed-v4:0", "eu-west-1")).toBe(0.12)
    expect(bedrock("cohere.embed-v4:0", "eu-west-1")).toBe("region")
  })

  it("is not known of a profile of one's own, of other versions, nor of names that only begin like a model's", () => {
    const own = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
    const others = [
      "amazon.nova-lite-v2:0",
      "anthropic.claude-sonnet-5-9",
      "anthropic.claude-opus-4-5-max",
      "xx.anthropic.claude-opus-4-6-v1",
      "amazon.titan-embed-image-v1",
      "claude-opus-4-6",
      "made-up"
    ]
    expect([own, ...others].map((model) => bedrock(model))).toEqual(Array(8).fill("model"))
  })

  it("is not known outside of the United States for makers whose prices differ by region, nor of a government's regions", () => {
    expect(bedrock("amazon.nova-pro-v1:0", "us-west-2")).toBe(0.8)
    expect(bedrock("amazon.nova-pro-v1:0", "eu-north-1")).toBe("region")
    expect(bedrock("anthropic.claude-opus-4-6-v1", "us-gov-west-1")).toBe("model")
  })

  it("is the same at its address in OpenAI's dialect", () => {
    expect(usd({ kind: "bedrock-mantle", region: "us-east-1" }, "openai.gpt-oss-120b")).toBe(0.15)
    expect(usd({ kind: "bedrock-mantle", region: "eu-west-1" }, "openai.gpt-5.4")).toBe(2.75)
  })

  it("is what the file says, in the region that is asked", () => {
    const prices = { "my-profile": { usdPerMtok: { input: "7", output: "9" } } }
    expect(usd({ kind: "bedrock", region: "eu-west-1", prices }, "my-profile")).toBe(7)
    const byRegion = { "my-profile": { usdPerMtok: { input: "7", output: "9" }, regions: { "eu-west-1": "2" } } }
    expect(usd({ kind: "bedrock", region: "eu-west-1", prices: byRegion }, "my-profile")).toBe(14)
    expect(usd({ kind: "bedrock", region: "eu-west-2", prices: byRegion }, "my-profile")).toBe("region")
  })
})

describe("what Azure costs", () => {
  const azure = { kind: "azure-openai" }

  it("is the price of the model that the answer names, never of the deployment's name", () => {
    expect(usd(azure, "mine", { servedModel: "gpt-4o-2024-08-06" })).toBe(2.5)
    expect(usd(azure, "gpt-4o", { servedModel: "gpt-4o-mini-2024-07-18" })).toBe(0.15)
    expect(usd(azure, "gpt-4o")).toBe("model")
    expect(usd(azure, "mine", { servedModel: "mine" })).toBe("model")
  })

  it("is Azure's own price where it has one", () => {
    expect(usd(azure, "mine", { servedModel: "o4-mini-2025-04-16", cachedTokens: 1_000_000 })).toBe(0.28)
    expect(usd({ kind: "openai" }, "o4-mini", { cachedTokens: 1_000_000 })).toBe(0.275)
  })

  it("is that of a global deployment, and not known of another kind or of a service tier", () => {
    const told = { servedModel: "gpt-4o" }
    expect(usd({ ...azure, region: "global" }, "mine", told)).toBe(2.5)
    expect(usd({ ...azure, region: "eu" }, "mine", told)).toBe("region")
    expect(usd(azure, "mine", { ...told, serviceTier: "priority" })).toBe("tier")
  })

  it("is known before there is an answer where the file says which model a deployment is, and the answer's word is above it", () => {
    const said = { ...azure, deployments: { mine: "gpt-4o" } }
    expect([usd(said, "mine"), usd(said, "other")]).toEqual([2.5, "model"])
    expect(usd(said, "mine", { servedModel: "gpt-4o-mini" })).toBe(0.15)
  })

  it("is what the file says of a deployment", () => {
    const prices = { mine: { usdPerMtok: { input: "7", output: "9" } } }
    expect(usd({ ...azure, prices }, "mine", { servedModel: "gpt-4o" })).toBe(7)
  })
})
