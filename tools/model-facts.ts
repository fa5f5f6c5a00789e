/**
 * What models can do, compared by hand with the source that stands beside each. Only `false` keeps a request from a model, so it
 * stands where it is sure; what is not sure is left out.
 */
import type { ModelRow } from "../src/providers/Catalogue.ts"

const modelsDev = "https://models.dev"
const checked = "2026-11-23"

type Facts = Omit<ModelRow, "provider" | "ids" | "versioned" | "source" | "checked">

const row =
  (provider: string, source: string) =>
  (versioned: ReadonlyArray<string>, facts: Facts, ids: ReadonlyArray<string> = []): ModelRow => ({
    provider,
    ids,
    versioned,
    ...facts,
    source,
    checked
  })

// Prefill: gone with the models of 4.6. Sampling: refused from Opus 4.7 on, but for Sonnet 5.
const claude = row(
  "anthropic",
  `${modelsDev}, https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6#prefill-removal`
)
const sees = { vision: true, tools: true } as const
const claude3: Facts = { context: 200_000, maxOutput: 4096, ...sees, prefill: true, reasoning: false, sampling: true }
const claude4: Facts = { context: 200_000, maxOutput: 64_000, ...sees, prefill: true, reasoning: true, sampling: true }
const claude46: Facts = {
  context: 1_000_000,
  maxOutput: 128_000,
  ...sees,
  jsonSchema: true,
  prefill: false,
  reasoning: true,
  sampling: true
}
const claude47: Facts = { ...claude46, sampling: false }
const { sampling: _, ...claude55 } = claude46

const anthropic = [
  claude(["claude-3-haiku", "claude-3-sonnet", "claude-3-opus"], claude3),
  claude(["claude-3-5-sonnet", "claude-3.5-sonnet"], { ...claude3, maxOutput: 8192 }),
  claude(["claude-3-5-haiku", "claude-3.5-haiku"], {
    context: 200_000,
    maxOutput: 8192,
    tools: true,
    prefill: true,
    reasoning: false,
    sampling: true
  }),
  claude(["claude-3-7-sonnet", "claude-3.7-sonnet"], claude4),
  claude(["claude-opus-4-0", "claude-opus-4", "claude-opus-4-1", "claude-opus-4.1"], { ...claude4, maxOutput: 32_000 }),
  claude(["claude-sonnet-4-0", "claude-sonnet-4"], claude4),
  claude(
    [
      "claude-haiku-4-5",
      "claude-haiku-4.5",
      "claude-sonnet-4-5",
      "claude-sonnet-4.5",
      "claude-opus-4-5",
      "claude-opus-4.5"
    ],
    { ...claude4, jsonSchema: true }
  ),
  claude(["claude-sonnet-4-6", "claude-sonnet-4.6"], { ...claude46, maxOutput: 64_000 }),
  claude(["claude-opus-4-6", "claude-opus-4.6", "claude-sonnet-5"], claude46),
  claude(["claude-sonnet-5-5", "claude-sonnet-5.5"], claude55),
  claude(
    [
      "claude-opus-4-7",
      "claude-opus-4.7",
      "claude-opus-4-8",
      "claude-opus-4.8",
      "claude-opus-5",
      "claude-opus-5-5",
      "claude-opus-5.5",
      "claude-fable-5",
      "claude-haiku-5-5",
      "claude-haiku-5.5"
    ],
    claude47
  )
]

const gpt = row("openai", `${modelsDev}, https://developers.openai.com/api/docs/models`)
const plain = { tools: true, jsonSchema: true, reasoning: false, sampling: true } as const
const thinking = { ...sees, jsonSchema: true, reasoning: true } as const
const blind = { vision: false, tools: true, jsonSchema: false, reasoning: false, sampling: true } as const

const openai = [
  gpt(["gpt-3.5-turbo"], { context: 16_385, maxOutput: 4096, ...blind }),
  gpt(["gpt-4"], { context: 8192, maxOutput: 8192, ...blind }),
  gpt(["gpt-4-turbo"], { context: 128_000, maxOutput: 4096, ...blind, vision: true }),
  gpt([], { context: 128_000, maxOutput: 4096, ...blind }, [
    "gpt-4-turbo-preview",
    "gpt-4-0125-preview",
    "gpt-4-1106-preview"
  ]),
  gpt(["gpt-4o", "gpt-4o-mini"], { context: 128_000, maxOutput: 16_384, vision: true, ...plain }),
  gpt([], { context: 128_000, maxOutput: 4096, vision: true, ...plain, jsonSchema: false }, ["gpt-4o-2024-05-13"]),
  gpt(["gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"], { context: 1_047_576, maxOutput: 32_768, vision: true, ...plain }),
  gpt(["gpt-5", "gpt-5-mini", "gpt-5-nano"], { context: 400_000, maxOutput: 128_000, ...thinking, sampling: false }),
  gpt(["gpt-5.1", "gpt-5.2", "gpt-5.4-mini", "gpt-5.4-nano"], { context: 400_000, maxOutput: 128_000, ...thinking }),
  gpt(
    ["gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-5.6-sol", "gpt-5.6-luna", "gpt-5.6-terra", "gpt-6-sol", "gpt-6-luna"],
    { context: 1_050_000, maxOutput: 128_000, ...thinking }
  ),
  gpt(["o1", "o3", "o4-mini"], { context: 200_000, maxOutput: 100_000, ...thinking, sampling: false }),
  gpt(["o3-mini"], { context: 200_000, maxOutput: 100_000, ...thinking, vision: false, sampling: false }),
  gpt(["o1-mini"], {
    context: 128_000,
    maxOutput: 65_536,
    vision: false,
    tools: false,
    reasoning: true,
    sampling: false
  })
]

const google = row("gemini", `${modelsDev}, https://ai.google.dev/gemini-api/docs/models`)
const gemini = [
  google(
    [
      "gemini-2.5-pro",
      "gemini-2.5-flash",
      "gemini-2.5-flash-lite",
      "gemini-3-pro-preview",
      "gemini-3-flash-preview",
      "gemini-3.1-pro-preview",
      "gemini-3.1-flash-lite",
      "gemini-3.5-flash",
      "gemini-3.7-flash",
      "gemini-3.8-flash"
    ],
    { context: 1_048_576, maxOutput: 65_536, ...thinking, sampling: true }
  )
]

const groqRow = row("groq", "https://console.groq.com/docs/models")
const groq = [
  groqRow([], { context: 131_072, maxOutput: 32_768, vision: false, tools: true }, ["llama-3.3-70b-versatile"]),
  groqRow([], { context: 131_072, vision: false, tools: true }, ["llama-3.1-8b-instant"]),
  groqRow([], { context: 131_072, maxOutput: 65_536, vision: false, tools: true, reasoning: true }, [
    "openai/gpt-oss-120b",
    "openai/gpt-oss-20b"
  ])
]

// Both names stand for deepseek-v4-flash.
const deepseek = [
  row("deepseek", `${modelsDev}, https://api-docs.deepseek.com/quick_start/pricing`)(
    ["deepseek-v4-flash", "deepseek-v4-pro"],
    { context: 1_000_000, vision: false, tools: true },
    ["deepseek-chat", "deepseek-reasoner"]
  )
]

/** The rows of this table; they rule in place of the generated ones of the same names. */
export const facts: ReadonlyArray<ModelRow> = [...anthropic, ...openai, ...gemini, ...groq, ...deepseek]
