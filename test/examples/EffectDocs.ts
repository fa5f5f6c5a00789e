/**
 * What is changed in the examples of Effect's own documentation so that they ask a gateway: the imports of the providers' packages
 * and the Layers that stand for a provider. Each replacement has to be found in the text, so a newer edition that says it
 * differently is noticed.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../cli/Child.ts"

type Replacement = readonly [from: string | RegExp, to: string]

const openAiModel: Replacement = [/\bOpenAiLanguageModel\.model\(/g, "BreakwaterLanguageModel.model("]
const openAiClient: Replacement = [
  /const OpenAiClientLayer = OpenAiClient\.layerConfig\(\{\n {2}apiKey: [^\n]+\n\}\)\.pipe\(\s*Layer\.provide\(FetchHttpClient\.layer\)\s*\)\n\n/,
  ""
]
const fetchClient: Replacement = [
  "import { FetchHttpClient } from \"effect/http\"\n",
  "import { GatewayLayer } from \"./gateway.ts\"\n"
]
const breakwater = "import { BreakwaterLanguageModel } from \"breakwater\"\n"

const replacements: Readonly<Record<string, ReadonlyArray<Replacement>>> = {
  "10_language-model": [
    [
      "import { AnthropicClient, AnthropicLanguageModel } from \"@effect/ai-anthropic\"\nimport { OpenAiClient, OpenAiLanguageModel } from \"@effect/ai-openai\"\n",
      breakwater
    ],
    ["import { Config, Context,", "import { Context,"],
    [/(import \{ FetchHttpClient[^\n]+\n)(import \{ LaunchPlan[^\n]+\n)/, "$2$1"],
    fetchClient,
    [
      /\/\/ You can use Config to create ai clients\nconst AnthropicClientLayer = .*?\n\)\n\n/s,
      ""
    ],
    openAiClient,
    openAiModel,
    ["AnthropicLanguageModel.model(", "BreakwaterLanguageModel.model("],
    [
      /    \/\/ This Layer has requirements for both the OpenAI and Anthropic clients,\n    \/\/ since[^\n]*\n/,
      ""
    ],
    ["Layer.provide([OpenAiClientLayer, AnthropicClientLayer])", "Layer.provide(GatewayLayer)"]
  ],
  "20_tools": [
    [
      "import { OpenAiClient, OpenAiLanguageModel, OpenAiTool } from \"@effect/ai-openai\"\n",
      "import { BreakwaterLanguageModel, BreakwaterTool } from \"breakwater\"\n"
    ],
    ["import { Config, Context,", "import { Context,"],
    fetchClient,
    [/\/\/ Provider setup \(same[^\n]*\n/, ""],
    openAiClient,
    openAiModel,
    ["    // Also provide the openai client required by OpenAiLanguageModel.model\n", ""],
    ["Layer.provide(OpenAiClientLayer)", "Layer.provide(GatewayLayer)"],
    // The tool that the provider runs itself.
    [/(\/\/) OpenAI's (web search tool is pre-defined in) `@effect\/ai-openai`\./, "$1 The gateway's $2 `breakwater`."],
    ["OpenAiTool.WebSearch(", "BreakwaterTool.WebSearch("]
  ],
  "30_chat": [
    ["import { OpenAiClient, OpenAiLanguageModel } from \"@effect/ai-openai\"\n", breakwater],
    ["import { Config, Context,", "import { Context,"],
    fetchClient,
    [/\/\/ -+\n\/\/ Provider setup\n\/\/ -+\n\n/, ""],
    openAiClient,
    openAiModel,
    ["    // Provide the OpenAI client and tools layers to the AiAssistant service.\n", ""],
    ["Layer.provide([OpenAiClientLayer, ToolsLayer])", "Layer.provide([GatewayLayer, ToolsLayer])"]
  ],
  "fixtures/domain/LaunchPlan": []
}

export const names = Object.keys(replacements)

/** The example as the documentation has it, with the replacements made. */
export const swapped = (name: string): string => {
  const original = readFileSync(join(root, `node_modules/effect/ai-docs/src/71_ai/${name}.ts`), "utf8")
  return (replacements[name] ?? []).reduce((text, [from, to]) => {
    const changed = text.replace(from, to)
    if (changed === text) throw new Error(`${name} does not say ${String(from)} any more.`)
    return changed
  }, original)
}

/** The example as it stands here. */
export const ours = (name: string): string => readFileSync(join(root, `examples/effect-docs/${name}.ts`), "utf8")
