/**
 * Hosts that speak OpenAI's chat dialect, as data: where they are, and the variable that usually holds their key. Loads no
 * dialect, so that the start can ask which kinds there are.
 */

export interface Preset {
  /** Up to the part before `/chat/completions`. */
  readonly baseUrl: string
  /** Environment variable; absent = the host asks for no key. */
  readonly keyName?: string
}

/** OpenAI itself. */
export const openAiBaseUrl = "https://api.openai.com/v1"

/** Anthropic itself, up to the part before `/v1/messages`. */
export const anthropicBaseUrl = "https://api.anthropic.com"

/** The Gemini API. */
export const geminiBaseUrl = "https://generativelanguage.googleapis.com/v1beta"

export const presets = {
  cerebras: { baseUrl: "https://api.cerebras.ai/v1", keyName: "CEREBRAS_API_KEY" },
  deepseek: { baseUrl: "https://api.deepseek.com/v1", keyName: "DEEPSEEK_API_KEY" },
  fireworks: { baseUrl: "https://api.fireworks.ai/inference/v1", keyName: "FIREWORKS_API_KEY" },
  groq: { baseUrl: "https://api.groq.com/openai/v1", keyName: "GROQ_API_KEY" },
  llamacpp: { baseUrl: "http://127.0.0.1:8080/v1" },
  lmstudio: { baseUrl: "http://127.0.0.1:1234/v1" },
  mistral: { baseUrl: "https://api.mistral.ai/v1", keyName: "MISTRAL_API_KEY" },
  ollama: { baseUrl: "http://127.0.0.1:11434/v1" },
  openrouter: { baseUrl: "https://openrouter.ai/api/v1", keyName: "OPENROUTER_API_KEY" },
  perplexity: { baseUrl: "https://api.perplexity.ai", keyName: "PERPLEXITY_API_KEY" },
  together: { baseUrl: "https://api.together.xyz/v1", keyName: "TOGETHER_API_KEY" },
  vllm: { baseUrl: "http://127.0.0.1:8000/v1" },
  xai: { baseUrl: "https://api.x.ai/v1", keyName: "XAI_API_KEY" }
} as const satisfies Readonly<Record<string, Preset>>

/** The preset of that name, if there is one. */
export const presetNamed = (name: string): Preset | undefined =>
  Object.entries(presets).find(([known]) => known === name)?.[1]

/**
 * The variable that usually holds the key without which a provider of this kind can never answer; undefined = it needs none. An
 * address of the operator's own may ask for none, but under `openai` its client sends a key always.
 */
export const requiredKey = (kind: string, baseUrl: string | undefined): string | undefined => {
  if (kind === "openai") return "OPENAI_API_KEY"
  if (baseUrl !== undefined) return undefined
  if (kind === "anthropic") return "ANTHROPIC_API_KEY"
  return kind === "gemini" ? "GEMINI_API_KEY" : presetNamed(kind)?.keyName
}

/** The kinds that are built; `Kinds.make` makes providers of these. */
export const builtKinds: ReadonlyArray<string> = [
  "openai",
  "anthropic",
  "gemini",
  "azure-openai",
  "bedrock",
  "bedrock-mantle",
  "openai-compatible",
  "simulated",
  ...Object.keys(presets)
]
