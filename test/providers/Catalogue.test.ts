import { describe, expect, it } from "@effect/vitest"
import { findProvider } from "@pydantic/genai-prices"
import { capabilitiesOf, maxOutputOf, type ModelRow } from "../../src/providers/Catalogue.ts"
import table from "../../src/providers/models.json" with { type: "json" }
import { patternsOf, type SourceModel } from "../../tools/genai-source.ts"
import { sources } from "../../tools/price-corrections.ts"

const rows: ReadonlyArray<ModelRow> = table.rows

describe("the catalogue", () => {
  it("knows a model by its name, and by its name with a version behind it", () => {
    expect(capabilitiesOf("openai", "gpt-4o")).toEqual({
      context: 128_000,
      maxOutput: 16_384,
      vision: true,
      tools: true,
      jsonSchema: true,
      reasoning: false,
      sampling: true
    })
    expect(capabilitiesOf("openai", "gpt-4o-2024-11-20")).toEqual(capabilitiesOf("openai", "gpt-4o"))
    expect(capabilitiesOf("openai", "gpt-4o-2024-05-13").maxOutput).toBe(4096)
  })

  it("takes no model for another one whose name it begins with", () => {
    expect(capabilitiesOf("openai", "gpt-4-0613").context).toBe(8192)
    expect(capabilitiesOf("openai", "gpt-4-turbo").context).toBe(128_000)
    expect(capabilitiesOf("openai", "gpt-4-something")).toEqual({})
    expect(capabilitiesOf("anthropic", "claude-opus-4-1").maxOutput).toBe(32_000)
  })

  it("knows nothing of models that nobody listed, and of hosts whose models may be anything", () => {
    expect(capabilitiesOf("openai", "gpt-99")).toEqual({})
    expect(capabilitiesOf("openai-compatible", "gpt-4o")).toEqual({})
    expect(capabilitiesOf("", "")).toEqual({})
  })

  it("knows Claude under Bedrock's names and OpenAI's models under Azure's", () => {
    const claude = capabilitiesOf("anthropic", "claude-sonnet-4-5")
    expect(claude.context).toBe(200_000)
    expect(capabilitiesOf("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0")).toEqual(claude)
    expect(capabilitiesOf("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0")).toEqual(claude)
    expect(capabilitiesOf("bedrock", "meta.llama3-1-8b-instruct-v1:0")).toEqual({})
    expect(capabilitiesOf("azure-openai", "gpt-4o")).toEqual(capabilitiesOf("openai", "gpt-4o"))
    expect(capabilitiesOf("azure-openai", "our-deployment")).toEqual({})
  })

  it("says how long an answer may be, for a dialect that has to say it", () => {
    expect(maxOutputOf("claude-haiku-4-5-20251001")).toBe(64_000)
    expect(maxOutputOf("claude-3-haiku-20240307")).toBe(4096)
    expect(maxOutputOf("anthropic.claude-opus-4-6-v1", "bedrock")).toBe(128_000)
    expect(maxOutputOf("claude-of-tomorrow")).toBeUndefined()
  })

  it("knows which of Claude's models still go on from a beginning, and which take a temperature", () => {
    expect(capabilitiesOf("anthropic", "claude-opus-4-5")).toMatchObject({ prefill: true, sampling: true })
    expect(capabilitiesOf("anthropic", "claude-opus-4-6")).toMatchObject({ prefill: false, sampling: true })
    expect(capabilitiesOf("anthropic", "claude-opus-4-7")).toMatchObject({ prefill: false, sampling: false })
  })

  it("remembers names that callers make up only up to a bound", () => {
    for (let n = 0; n < 5000; n++) expect(capabilitiesOf("openai", `made-up-${n}`)).toEqual({})
    expect(capabilitiesOf("openai", "gpt-4o").context).toBe(128_000)
  })
})

describe("the catalogue's rows", () => {
  it("each have a source, a date and a name, and nothing that cannot be", () => {
    expect(rows.length).toBeGreaterThan(100)
    for (const { checked, context, ids, maxOutput, source, versioned = [] } of rows) {
      expect(source).not.toBe("")
      expect(checked).toMatch(/^\d{4}-\d{2}-\d{2}$/)
      expect(ids.length + versioned.length).toBeGreaterThan(0)
      for (const tokens of [context, maxOutput]) {
        if (tokens !== undefined) expect(Number.isSafeInteger(tokens) && tokens > 0).toBe(true)
      }
      if (context !== undefined && maxOutput !== undefined) expect(maxOutput).toBeLessThanOrEqual(context)
    }
  })

  it("name no model twice", () => {
    const names = rows.flatMap(({ ids, provider, versioned = [] }) =>
      [...ids, ...versioned].map((name) => `${provider}/${name}`)
    )
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
  })

  it("say of the context what @pydantic/genai-prices says, to its rounding, but for what is known to be old there", () => {
    const different = Object.entries(sources).flatMap(([kind, { id }]) => {
      const models: ReadonlyArray<SourceModel> = findProvider({ providerId: id })?.models ?? []
      return models.flatMap(({ context_window: theirs, match }) =>
        theirs === undefined ? [] : patternsOf(match).ids.filter((name) => {
          const ours = capabilitiesOf(kind, name).context
          return ours !== undefined && Math.abs(ours - theirs) > theirs * 0.06
        }).map((name) => `${kind}/${name}`)
      )
    })
    // Both names stand for deepseek-v4-flash by now.
    expect(different).toEqual(["deepseek/deepseek-reasoner"])
  })
})
