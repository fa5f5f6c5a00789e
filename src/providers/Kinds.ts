/** A provider's settings to the provider, by its kind. A dialect of its own is loaded when it is asked for. */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { maxOutputOf } from "./Catalogue.ts"
import * as CloudKinds from "./CloudKinds.ts"
import type { CloudSettings } from "./CloudSettings.ts"
import * as OpenAiCompatible from "./OpenAiCompatible.ts"
import { builtKinds, presetNamed, requiredKey } from "./Presets.ts"
import type { Provider } from "./Provider.ts"
import * as Simulated from "./Simulated.ts"
import type { Transport } from "./Transport.ts"

/** A kind's settings; the file's section of a provider has them all. */
export interface ProviderSettings extends CloudSettings {
  /** `openai`, `anthropic`, `gemini`, `azure-openai`, `bedrock`, `bedrock-mantle`, `openai-compatible`, `simulated`, or a preset. */
  readonly kind: string
  /** Absent = the kind's own. */
  readonly baseUrl?: string | undefined
  /** Empty or absent = the upstream asks for none. */
  readonly apiKeys?: ReadonlyArray<Redacted.Redacted> | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** Of the dialect, for `anthropic`; absent = the usual one. */
  readonly version?: string | undefined
  /** Most tokens of an answer of a model, for dialects that must have a limit; absent = as the catalogue has it. */
  readonly maxOutput?: ((model: string) => number | undefined) | undefined
  readonly organization?: string | undefined
  readonly project?: string | undefined
  /** Model ids to list as `name/id`. */
  readonly models?: ReadonlyArray<string> | undefined
}

/** Why there is no provider of these settings, in words for whoever wrote them. */
export interface ProviderProblem {
  readonly problem: string
}

const problem = (text: string): Effect.Effect<never, ProviderProblem> => Effect.fail({ problem: text })

const makeCompatible = (
  name: string,
  settings: ProviderSettings
): Effect.Effect<Provider, ProviderProblem, Transport> => {
  const preset = presetNamed(settings.kind)
  const baseUrl = settings.baseUrl ?? preset?.baseUrl
  if (preset === undefined && settings.kind !== "openai-compatible") {
    return problem(`the kind ${settings.kind} is not built; there are ${builtKinds.join(", ")}`)
  }
  if (baseUrl === undefined) return problem("baseUrl is missing: the address up to and with /v1")
  return OpenAiCompatible.make({
    name,
    kind: settings.kind,
    baseUrl,
    apiKeys: settings.apiKeys,
    headers: settings.headers,
    models: settings.models
  })
}

/** Makes the provider that is called `name`. */
export const make = (
  name: string,
  settings: ProviderSettings
): Effect.Effect<Provider, ProviderProblem, Transport | Scope.Scope> => {
  const { baseUrl } = settings
  if (baseUrl !== undefined && !/^https?:\/\//i.test(URL.parse(baseUrl)?.href ?? "")) {
    return problem("baseUrl is not an absolute http(s) URL")
  }
  const keyName = requiredKey(settings.kind, baseUrl)
  const [first, ...rest] = settings.apiKeys ?? []
  if (keyName !== undefined && first === undefined) return problem(`apiKey is missing: usually \${${keyName}}`)
  if (settings.kind === "simulated") return Effect.succeed(Simulated.make(name))
  if (settings.kind === "gemini") {
    return Effect.flatMap(CloudKinds.tokenFileOf(name, settings), (tokenFile) =>
      Effect.flatMap(
        Effect.promise(() => import("./Gemini.ts")),
        (Gemini) => Gemini.make({ ...settings, name, tokenFile })
      ))
  }
  const cloud = CloudKinds.make(name, settings)
  if (cloud !== undefined) return cloud
  // Most gateways have none.
  if (settings.kind === "anthropic") {
    return Effect.flatMap(
      Effect.promise(() => import("./Anthropic.ts")),
      (Anthropic) => Anthropic.make({ ...settings, name, maxOutput: settings.maxOutput ?? maxOutputOf })
    )
  }
  return settings.kind === "openai" && first !== undefined
    // 220 modules, a fifth of the start.
    ? Effect.flatMap(
      Effect.promise(() => import("./OpenAi.ts")),
      (OpenAi) => OpenAi.make({ ...settings, name, apiKeys: [first, ...rest] })
    )
    : makeCompatible(name, settings)
}
