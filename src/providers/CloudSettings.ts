/** What the kinds of the two clouds are told beside an address and keys, and what of it is missing. Loads no dialect. */
import type * as Redacted from "effect/Redacted"

export interface CloudSettings {
  /** `bedrock`, `bedrock-mantle`: AWS's region, such as `us-east-1`. Any other kind: where its answers are priced. */
  readonly region?: string | undefined
  /** `bedrock`: AWS's own keys in place of a Bedrock API key. */
  readonly accessKeyId?: Redacted.Redacted | undefined
  readonly secretAccessKey?: Redacted.Redacted | undefined
  /** `bedrock`: of temporary keys. */
  readonly sessionToken?: Redacted.Redacted | undefined
  /** `azure-openai`: a token of Entra in place of a key; it is not renewed. */
  readonly entraToken?: Redacted.Redacted | undefined
  /** `azure-openai`: with it the model is the name of a deployment in the path; absent = the v1 address. */
  readonly apiVersion?: string | undefined
}

type Key = keyof CloudSettings

/** A region of AWS; it becomes part of a host's name. */
export const isAwsRegion = (region: string): boolean => /^[a-z]{2,8}(?:-[a-z0-9]+)+-\d+$/.test(region)

/** What is said of another. */
export const wrongRegion = "expected a region of AWS, such as us-east-1"

/** What each kind may be told; no other kind knows any of it. */
const keysOf: Readonly<Record<string, ReadonlyArray<Key>>> = {
  "azure-openai": ["entraToken", "apiVersion"],
  bedrock: ["region", "accessKeyId", "secretAccessKey", "sessionToken"],
  "bedrock-mantle": ["region"]
}

const all: ReadonlyArray<Key> = [...new Set(Object.values(keysOf).flat())]

/** Something that a kind needs or does not know, and the key it is about. */
export interface CloudProblem {
  readonly key: Key | "apiKey" | "baseUrl"
  readonly problem: string
}

/** True for what is given and not empty. */
export type Has = (key: Key | "apiKey" | "baseUrl") => boolean

const missing = (key: CloudProblem["key"], advice: string): ReadonlyArray<CloudProblem> => [{
  key,
  problem: `required, but missing: ${advice}`
}]

const azureProblems = (has: Has): ReadonlyArray<CloudProblem> =>
  has("apiKey") === has("entraToken")
    ? has("apiKey")
      ? [{ key: "entraToken", problem: "give either apiKey or entraToken, not both" }]
      : missing(
        "apiKey",
        "azure-openai answers nobody without a key; give one, such as ${AZURE_OPENAI_API_KEY}, or entraToken"
      )
    : []

const bedrockProblems = (has: Has): ReadonlyArray<CloudProblem> => {
  const region = has("region") ? [] : missing("region", "give one, such as us-east-1 or ${AWS_REGION}")
  const signs = has("accessKeyId") || has("secretAccessKey")
  if (has("apiKey")) {
    return signs ? [...region, { key: "accessKeyId", problem: "give either apiKey or AWS's keys, not both" }] : region
  }
  const advice =
    "bedrock answers nobody without a key; give one, such as ${AWS_BEARER_TOKEN_BEDROCK}, or accessKeyId and " +
    "secretAccessKey"
  if (!signs) return [...region, ...missing("apiKey", advice)]
  const halves = (["accessKeyId", "secretAccessKey"] as const).filter((key) => !has(key))
  return [...region, ...halves.flatMap((key) => missing(key, `AWS's keys are a pair`))]
}

const mantleProblems = (has: Has): ReadonlyArray<CloudProblem> => [
  ...(has("region") || has("baseUrl") ? [] : missing("region", "give one, such as us-east-1 or ${AWS_REGION}")),
  ...(has("apiKey")
    ? []
    : missing("apiKey", "bedrock-mantle answers nobody without a key; give one, such as ${AWS_BEARER_TOKEN_BEDROCK}"))
]

/** Everything of these settings that is wrong for the kind; nothing for kinds of no cloud, unless they are told a cloud's. */
export const cloudProblems = (kind: string, has: Has): ReadonlyArray<CloudProblem> => {
  const known = keysOf[kind] ?? []
  const unknown = all.filter((key) => key !== "region" && has(key) && !known.includes(key)).map((key): CloudProblem => {
    const owners = Object.keys(keysOf).filter((owner) => keysOf[owner]?.includes(key) === true)
    return {
      key,
      problem: `kind ${kind} has no such key; ${owners.join(" and ")} ${owners.length > 1 ? "have" : "has"}`
    }
  })
  const own = kind === "azure-openai"
    ? azureProblems(has)
    : kind === "bedrock"
    ? bedrockProblems(has)
    : kind === "bedrock-mantle"
    ? mantleProblems(has)
    : []
  return [...unknown, ...own]
}
