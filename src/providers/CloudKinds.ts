/** Settings of the two clouds to their providers; their packages and dialects are loaded when they are asked for. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { BedrockOptions } from "./Bedrock.ts"
import { cloudProblems, isAwsRegion, wrongRegion } from "./CloudSettings.ts"
import type { ProviderProblem, ProviderSettings } from "./Kinds.ts"
import * as OpenAiCompatible from "./OpenAiCompatible.ts"
import type { Provider } from "./Provider.ts"
import type { TokenFile } from "./TokenFile.ts"
import type { Transport } from "./Transport.ts"

type Making = Effect.Effect<Provider, ProviderProblem, Transport | Scope.Scope>

/** AWS's endpoint in OpenAI's dialect. */
const mantleUrl = (region: string): string => `https://bedrock-mantle.${region}.api.aws/openai/v1`

const problem = (text: string): Effect.Effect<never, ProviderProblem> => Effect.fail({ problem: text })

/** The file with the token, opened where there is one; most gateways have none. */
export const tokenFileOf = (
  name: string,
  { kind, tokenFile }: ProviderSettings
): Effect.Effect<TokenFile | undefined, never, Scope.Scope> =>
  tokenFile === undefined
    ? Effect.undefined
    : Effect.flatMap(
      Effect.promise(() => import("./TokenFile.ts")),
      (TokenFile) => TokenFile.open(name, tokenFile, { readsAwsKeys: kind === "bedrock" })
    )

const makeAzure = (name: string, settings: ProviderSettings, tokenFile: TokenFile | undefined): Making => {
  const { apiVersion, baseUrl, deployments, entraToken, headers, models } = settings
  const [first, ...rest] = settings.apiKeys ?? []
  const auth = first !== undefined
    ? { apiKeys: [first, ...rest] as const }
    : tokenFile !== undefined
    ? { tokenFile }
    : entraToken === undefined
    ? undefined
    : { entraToken }
  if (baseUrl === undefined || auth === undefined) return problem("baseUrl is missing: the address of the resource")
  return Effect.flatMap(
    Effect.promise(() => import("./AzureOpenAi.ts")),
    (AzureOpenAi) => AzureOpenAi.make({ name, baseUrl, auth, apiVersion, deployments, headers, models })
  )
}

const bedrockAuth = (settings: ProviderSettings): BedrockOptions["auth"] | undefined => {
  const { accessKeyId, secretAccessKey, sessionToken } = settings
  const [first, ...rest] = settings.apiKeys ?? []
  if (first !== undefined) return [first, ...rest]
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { accessKeyId: Redacted.value(accessKeyId), secretAccessKey, sessionToken }
}

const makeBedrock = (name: string, settings: ProviderSettings, tokenFile: TokenFile | undefined): Making => {
  const { baseUrl, headers, models, region } = settings
  const auth = tokenFile === undefined ? bedrockAuth(settings) : { tokenFile }
  if (region === undefined || auth === undefined) return problem("region is missing, such as us-east-1")
  return Effect.flatMap(
    Effect.promise(() => import("./Bedrock.ts")),
    (Bedrock) => Bedrock.make({ name, region, auth, baseUrl, headers, models })
  )
}

const makeMantle = (name: string, settings: ProviderSettings, tokenFile: TokenFile | undefined): Making =>
  OpenAiCompatible.make({
    ...settings,
    name,
    tokenFile,
    baseUrl: settings.baseUrl ?? mantleUrl(settings.region ?? "")
  })

type Maker = (name: string, settings: ProviderSettings, tokenFile: TokenFile | undefined) => Making

const makers: Readonly<Record<string, Maker>> = {
  "azure-openai": makeAzure,
  bedrock: makeBedrock,
  "bedrock-mantle": makeMantle
}

/** Undefined for a kind of no cloud. */
export const make = (name: string, settings: ProviderSettings): Making | undefined => {
  const [found] = cloudProblems(
    settings.kind,
    (key) => key === "apiKey" ? (settings.apiKeys ?? []).length > 0 : settings[key] !== undefined
  )
  if (found !== undefined) return problem(`${found.key}: ${found.problem}`)
  const maker = makers[settings.kind]
  if (maker === undefined) return undefined
  const { region } = settings
  return region === undefined || settings.kind === "azure-openai" || isAwsRegion(region)
    ? Effect.flatMap(tokenFileOf(name, settings), (tokenFile) => maker(name, settings, tokenFile))
    : problem(`region: ${wrongRegion}`)
}
