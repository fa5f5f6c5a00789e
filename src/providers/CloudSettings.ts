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
  /** `azure-openai`: a token of Entra in place of a key; one that is renewed stands in `tokenFile`. */
  readonly entraToken?: Redacted.Redacted | undefined
  /**
   * Path of a file with a token that somebody renews, in place of every other key: of Entra, a Bedrock API key, for `bedrock` also
   * AWS's keys as JSON (`AccessKeyId`, `SecretAccessKey`, `SessionToken`), for `gemini` an access token of Vertex AI.
   */
  readonly tokenFile?: string | undefined
  /** `azure-openai`: with it the model is the name of a deployment in the path; absent = the v1 address. */
  readonly apiVersion?: string | undefined
  /** `azure-openai`: which model a deployment is, where its name is another; by it the catalogue and the prices know the model. */
  readonly deployments?: Readonly<Record<string, string>> | undefined
}

type Key = keyof CloudSettings

/** A region of AWS; it becomes part of a host's name. */
export const isAwsRegion = (region: string): boolean => /^[a-z]{2,8}(?:-[a-z0-9]+)+-\d+$/.test(region)

/** What is said of another. */
export const wrongRegion = "expected a region of AWS, such as us-east-1"

/** What each kind may be told; no other kind knows any of it. */
const keysOf: Readonly<Record<string, ReadonlyArray<Key>>> = {
  "azure-openai": ["entraToken", "tokenFile", "apiVersion", "deployments"],
  bedrock: ["region", "accessKeyId", "secretAccessKey", "sessionToken", "tokenFile"],
  "bedrock-mantle": ["region", "tokenFile"],
  gemini: ["tokenFile"]
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

/** Two ways to say who asks. */
const twice = (has: Has, keys: ReadonlyArray<CloudProblem["key"]>): ReadonlyArray<CloudProblem> => {
  const [first, second] = keys.filter(has)
  return second === undefined ? [] : [{ key: second, problem: `give either ${first} or ${second}, not both` }]
}

const azureProblems = (has: Has): ReadonlyArray<CloudProblem> => {
  const ways = ["apiKey", "entraToken", "tokenFile"] as const
  return ways.some(has) ? twice(has, ways) : missing(
    "apiKey",
    "azure-openai answers nobody without a key; give one, such as ${AZURE_OPENAI_API_KEY}, or entraToken or tokenFile"
  )
}

/** The Gemini API has keys alone. */
const geminiProblems = (has: Has): ReadonlyArray<CloudProblem> =>
  has("tokenFile") && !has("baseUrl")
    ? missing("baseUrl", "a tokenFile is for Vertex AI, whose address names the project")
    : twice(has, ["apiKey", "tokenFile"])

const bedrockProblems = (has: Has): ReadonlyArray<CloudProblem> => {
  const region = has("region") ? [] : missing("region", "give one, such as us-east-1 or ${AWS_REGION}")
  const signs = has("accessKeyId") || has("secretAccessKey")
  if (has("apiKey")) {
    return signs
      ? [...region, { key: "accessKeyId", problem: "give either apiKey or AWS's keys, not both" }]
      : [...region, ...twice(has, ["apiKey", "tokenFile"])]
  }
  if (has("tokenFile")) {
    return [...region, ...twice(has, ["tokenFile", "accessKeyId", "secretAccessKey", "sessionToken"])]
  }
  const advice =
    "bedrock answers nobody without a key; give one, such as ${AWS_BEARER_TOKEN_BEDROCK}, or accessKeyId and " +
    "secretAccessKey, or tokenFile; roles (of EC2, ECS, EKS, by web identity) are not looked up, so have their keys written to " +
    "tokenFile (docs/OPERATIONS.md)"
  if (!signs) return [...region, ...missing("apiKey", advice)]
  const halves = (["accessKeyId", "secretAccessKey"] as const).filter((key) => !has(key))
  return [...region, ...halves.flatMap((key) => missing(key, `AWS's keys are a pair`))]
}

const mantleProblems = (has: Has): ReadonlyArray<CloudProblem> => [
  ...(has("region") || has("baseUrl") ? [] : missing("region", "give one, such as us-east-1 or ${AWS_REGION}")),
  ...(has("apiKey") || has("tokenFile")
    ? twice(has, ["apiKey", "tokenFile"])
    : missing(
      "apiKey",
      "bedrock-mantle answers nobody without a key; give one, such as ${AWS_BEARER_TOKEN_BEDROCK}, or tokenFile"
    ))
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
    : kind === "gemini"
    ? geminiProblems(has)
    : []
  return [...unknown, ...own]
}
