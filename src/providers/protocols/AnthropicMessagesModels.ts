/**
 * What Anthropic's models can be told, by the generation in their name: the Messages API answers 400 to what a model does not take.
 * A Claude of no known number counts as the newest; a name that is no Claude's is a compatible host's, which takes what is older.
 */

export interface Abilities {
  /** Not at all, with a budget of tokens, or as much as the model finds right for an effort. */
  readonly thinking: "none" | "budget" | "adaptive"
  /** Thinking cannot be turned off. */
  readonly alwaysThinks: boolean
  /** Thinking is on unless it is turned off. */
  readonly thinksUnasked: boolean
  /** Its thoughts are kept back unless they are asked for. */
  readonly hidesThoughts: boolean
  /** What it thought is worth something only behind the very same messages, and nothing to a model that is not to think. */
  readonly bindsThoughts: boolean
  /** Efforts beyond low, medium and high. */
  readonly hasXhigh: boolean
  readonly hasMax: boolean
  /** temperature, top_p and top_k: all, one of the first two, or none. */
  readonly sampling: "all" | "one" | "none"
  /** A tool may be demanded while it thinks in its adaptive way. */
  readonly canBeForced: boolean
  /** It keeps to a JSON schema, of its answer and of the arguments of a strict tool. */
  readonly hasSchemas: boolean
  /** Tokens of an answer where the caller sets no limit; the model may well have more. */
  readonly maxTokens: number
}

/** Tens are the major version, ones the minor: 4.5 is 45. */
const newest = 99

/** `claude-opus-4-6`, `claude-3-7-sonnet-20250219`, `claude-sonnet-4@20250514`. */
const numbered = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/

const generationOf = (model: string): number => {
  const [, major, minor = "0"] = numbered.exec(model) ?? []
  return major === undefined ? newest : Number(major) * 10 + Math.min(Number(minor), 9)
}

const ofCompatibleHost: Abilities = {
  thinking: "budget",
  alwaysThinks: false,
  thinksUnasked: false,
  hidesThoughts: false,
  bindsThoughts: false,
  hasXhigh: false,
  hasMax: false,
  sampling: "all",
  canBeForced: true,
  hasSchemas: false,
  maxTokens: 8192
}

const maxTokensOf = (generation: number): number => generation >= 40 ? 32_000 : generation >= 35 ? 8192 : 4096

/** `model`: the upstream's name, with whatever a platform puts around it. */
export const abilitiesOf = (model: string): Abilities => {
  const name = model.toLowerCase()
  if (!name.includes("claude")) return ofCompatibleHost
  const generation = generationOf(name)
  const isFable = /fable|mythos/.test(name)
  return {
    thinking: generation < 37 ? "none" : generation < 46 ? "budget" : "adaptive",
    alwaysThinks: isFable || (name.includes("opus") && generation >= 55),
    thinksUnasked: generation >= 50,
    hidesThoughts: generation >= 47,
    bindsThoughts: generation > 50 && generation < newest,
    hasXhigh: generation >= 47,
    hasMax: generation >= 47 || (name.includes("opus") && generation >= 46),
    sampling: generation >= 47 ? "none" : generation >= 41 ? "one" : "all",
    canBeForced: generation < 51 || name.includes("haiku"),
    hasSchemas: generation >= 41,
    maxTokens: maxTokensOf(generation)
  }
}
