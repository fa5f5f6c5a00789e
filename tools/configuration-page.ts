/** `docs/CONFIGURATION.md` from the schema of the file and the rooms' defaults; the prose around the keys stands here. */
import type * as SchemaAST from "effect/SchemaAST"
import { ConfigurationFile } from "../src/config/Config.ts"
import { inactiveKeys } from "../src/config/Inactive.ts"
import { kinds } from "../src/config/ProviderSection.ts"
import { defaultServerSection as server } from "../src/config/ServerSection.ts"
import {
  defaultStorageSection as storage,
  defaultTelemetrySection as telemetry
} from "../src/config/TelemetrySection.ts"
import { defaultImagesSettings as images } from "../src/providers/ImagesSettings.ts"
import { defaultBreakerSettings as breaker } from "../src/resilience/CircuitBreaker.ts"
import { defaultTimeoutSettings as timeouts } from "../src/resilience/Deadline.ts"
import { defaultRetrySettings as retry } from "../src/resilience/Retry.ts"
import { defaultRuleSettings } from "../src/validation/Rules.ts"
import { table } from "./markdown-table.ts"

const units = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const

/** Milliseconds as people write them: `200ms`, `5s`, `10m`. */
const duration = (ms: number): string => {
  const [unit, size] = units.find(([, size]) => ms >= size && ms % size === 0) ?? ["ms", 1]
  return `${ms / size}${unit}`
}

const size = (bytes: number): string => `${bytes / 1024 ** 2}mb`

/** What the schema cannot say. `default` is text as it would stand in the file; absent = the key has none. */
interface Doc {
  readonly default?: string | number | boolean
  readonly text: string
}

const timeoutDocs = (defaults: boolean): Readonly<Record<string, Doc>> => {
  const own = (ms: number) => defaults ? { default: duration(ms) } : {}
  return {
    connect: {
      ...own(timeouts.connectMs),
      text: "to an open connection"
    },
    firstToken: { ...own(timeouts.firstTokenMs), text: "to the first content of a stream" },
    answer: { ...own(timeouts.answerMs), text: "to a whole answer that is not streamed" },
    idle: { ...own(timeouts.idleMs), text: "longest silence between two events of a stream" },
    total: { ...own(timeouts.totalMs), text: "the whole request with every retry, failover and wait" }
  }
}

const breakerDocs = (defaults: boolean): Readonly<Record<string, Doc>> => {
  const own = <A extends string | number>(value: A) => defaults ? { default: value } : {}
  return {
    window: { ...own(duration(breaker.windowMs)), text: "how far back rates look" },
    minimumCalls: { ...own(breaker.minimumCalls), text: "calls in the window below which rates are not judged" },
    failureRate: { ...own(breaker.failureRate), text: "share of failures that opens the circuit, above 0 to 1" },
    slowRate: { ...own(breaker.slowRate), text: "share of slow answers that opens it, above 0 to 1" },
    consecutiveFailures: {
      ...own(breaker.consecutiveFailures),
      text: "failures in a row, with no success in the window, that open it; with one it takes `minimumCalls`"
    },
    openFor: { ...own(duration(breaker.openForMs)), text: "first opening; doubles each time, half of it random" },
    openMax: { ...own(duration(breaker.openMaxMs)), text: "longest opening" }
  }
}

const limitDocs: Readonly<Record<string, Doc>> = {
  rpm: { text: "requests a minute" },
  tpm: { text: "tokens a minute, input and output" },
  concurrent: { text: "requests at once" }
}

const budgetDocs = (who: string): Readonly<Record<string, Doc>> => ({
  usd: { text: `what ${who} may spend` },
  per: { text: "calendar day or month, UTC" },
  soft: { default: 0.8, text: "part of it, above 0 to 1, at which a warning is logged" }
})

const guardDocs: Readonly<Record<string, Doc>> = {
  "mask.kinds[]": { text: "what is replaced by its kind in brackets, such as `[email]`; absent = every kind" },
  "mask.prompts": { text: "in what callers send; true where `mask` stands" },
  "mask.answers": { text: "in what models answer, streamed or not; true where `mask` stands" },
  "moderation.provider": {
    text:
      "whose `/moderations` reads the texts of messages before they are sent; kind `openai`, `openai-compatible` or `simulated`"
  },
  "moderation.model": { default: "omni-moderation-latest", text: "the provider's name of it" },
  "moderation.whenFailing": { text: "what becomes of a request that it does not judge in time; to be said" },
  "moderation.within": { default: "2s", text: "how long it may take" },
  "moderation.verdict": {
    default: "refuse",
    text: "what becomes of what it finds: a 400 `guard_refused`, or a line in the log"
  }
}

const under = (prefix: string, docs: Readonly<Record<string, Doc>>): Readonly<Record<string, Doc>> =>
  Object.fromEntries(Object.entries(docs).map(([key, doc]) => [`${prefix}.${key}`, doc]))

/** Every key of the file. A key of the schema that is missing here, or the other way round, fails the generator. */
const docs: Readonly<Record<string, Doc>> = {
  "server.host": {
    default: server.host,
    text: "address to listen on; one that is not loopback needs a client key"
  },
  "server.port": { default: server.port, text: "0 = any free port" },
  "server.tls.cert": {
    text: "file of the certificate and of what vouches for it, PEM; with it the door speaks TLS 1.2 or 1.3 alone"
  },
  "server.tls.key": { text: "file of its key, PEM, without a passphrase" },
  "server.workers": { default: server.workers, text: "worker processes; 1 = this process alone" },
  "server.keys[]": { text: "client keys for `/v1/*`, as text or as an object; none = open" },
  "server.keys[].name": { text: "what logs call the key; default `key-1`, `key-2`, …" },
  "server.keys[].key": { text: "the key itself" },
  "server.keys[].models[]": {
    text: "what the key may put in `model`; a `*` at the end stands for any rest; absent = everything"
  },
  ...under("server.keys[].limits", limitDocs),
  ...under("server.keys[].budget", budgetDocs("the key")),
  "server.keys[].tags[]": { text: "what the use of the key is summed up by besides: `breakwater usage --by tag`" },
  "server.keys[].expires": { text: "when the key ends: a day (its beginning, UTC) or a moment in ISO 8601" },
  "server.keySecret": {
    text: "at least 16 characters that all digests of client keys are made with; another one ends every issued key"
  },
  ...under("server.budgets.total", budgetDocs("everybody together")),
  ...under("server.budgets.tags.*", budgetDocs("the keys with this tag together")),
  "server.budgets.unpriced": {
    default: server.budgets.unpriced,
    text: "a request that a budget rules and that may go to a target without a known price"
  },
  "server.budgets.untold": {
    default: server.budgets.untold,
    text: "a call whose use nobody told, because its caller left in the middle: what was reserved counts, or nothing"
  },
  "server.adminKey": {
    text: "Bearer (or Basic password) of the operator's routes; absent = those answer on loopback only"
  },
  "server.publicMetrics": { default: server.publicMetrics, text: "opens `GET /metrics` without the admin key" },
  "server.limits.body": { default: size(server.limits.body), text: "size of a request body" },
  "server.limits.depth": { default: server.limits.depth, text: "nesting of the JSON" },
  "server.limits.members": {
    default: server.limits.members,
    text: "members and elements of all objects and arrays of a request together"
  },
  "server.limits.messages": { default: server.limits.messages, text: "messages in one request" },
  "server.limits.parts": { default: server.limits.parts, text: "content parts of all messages together" },
  "server.limits.tools": { default: server.limits.tools, text: "tools, or functions, in one request" },
  "server.limits.identifier": {
    default: server.limits.identifier,
    text: "characters of an identifier such as `user`, `prompt_cache_key` or the `name` of a message"
  },
  "server.limits.stop": { default: server.limits.stop, text: "characters of each stop sequence" },
  "server.limits.connections": {
    default: server.limits.connections,
    text: "connections that are open at once, per process; more are closed unheard"
  },
  "server.limits.connectionsPerAddress": {
    text: "the same for one address (of IPv6 one /64) that is no trusted proxy; absent = as many as there are"
  },
  "server.timeouts.headers": { default: duration(server.timeouts.headers), text: "to the end of a request's headers" },
  "server.timeouts.body": {
    default: duration(server.timeouts.body),
    text: "to the end of a request, its headers included; answers may take as long as they like"
  },
  "server.timeouts.idle": {
    default: duration(server.timeouts.idle),
    text: "how long a connection without a request is kept; longer than a balancer in front keeps it"
  },
  "server.cors.origins[]": {
    text: "origins of pages that may read what `/v1/*` answers, such as `https://app.example.com`; absent = none"
  },
  "server.trustedProxies[]": {
    text: "addresses and networks of proxies whose `x-forwarded-for` is believed, such as `10.0.0.0/8`"
  },
  "server.keepAlive": {
    default: duration(server.keepAlive),
    text: "silence after which a stream that has begun gets a comment"
  },
  "server.limits.inFlight": {
    default: server.shedding.inFlight,
    text: "requests in flight per process before new ones are turned away; lower priorities are turned away earlier"
  },
  "server.limits.lag": {
    default: duration(server.shedding.lagMs),
    text: "lateness of the event loop (p99) beyond which fewer requests are taken"
  },
  "server.drain.notReady": {
    default: duration(server.drain.notReady),
    text: "how long it still serves after readiness turned 503"
  },
  "server.drain.streams": {
    default: duration(server.drain.streams),
    text: "how long open answers may run after it stopped accepting"
  },
  "providers.NAME.enabled": {
    default: true,
    text: "`false` switches it off: it is as if it were not there, the simulated provider (`providers.simulated`) too"
  },
  "providers.NAME.kind": {
    text: "dialect or preset (below); default: NAME, if that is a kind"
  },
  "providers.NAME.baseUrl": { text: "address of the upstream; default: the kind's own" },
  "providers.NAME.apiKey": { text: "key for the upstream" },
  "providers.NAME.apiKeys[]": { text: "several keys in place of one" },
  "providers.NAME.version": { text: "`anthropic-version` of the kind `anthropic`; default `2023-06-01`" },
  "providers.NAME.accessKeyId": {
    text: "AWS's keys in place of `apiKey`, for the kind `bedrock`: they sign each request"
  },
  "providers.NAME.secretAccessKey": { text: "" },
  "providers.NAME.sessionToken": { text: "of temporary keys of AWS's; those that are renewed stand in `tokenFile`" },
  "providers.NAME.entraToken": {
    text:
      "a token of Entra in place of `apiKey`, for the kind `azure-openai`; one that is renewed stands in `tokenFile`"
  },
  "providers.NAME.tokenFile": {
    text:
      "path of a file with a token that somebody renews, in place of a key, for the kinds of the clouds and `gemini` at Vertex AI (docs/OPERATIONS.md)"
  },
  "providers.NAME.apiVersion": {
    text: "of the kind `azure-openai`: with it a model is the name of a deployment in the path; default: the v1 address"
  },
  "providers.NAME.deployments.*": {
    text:
      "of the kind `azure-openai`: the model that a deployment is, where its name is another, such as `prod-chat: gpt-5-mini`"
  },
  "providers.NAME.headers.*": { text: "headers for every request to it" },
  "providers.NAME.maxConcurrency": {
    text:
      "requests in flight per target; as many may wait, at most 2 s. `adaptive` or a range finds the number itself; default: no limit"
  },
  "providers.NAME.maxConcurrency.min": { text: "lower end of the range; default 1" },
  "providers.NAME.maxConcurrency.max": { text: "upper end of the range; default 256" },
  ...under("providers.NAME.breaker", breakerDocs(false)),
  "providers.NAME.prices.*.usdPerMtok.input": { text: "USD for a million tokens, as a decimal; likewise the next six" },
  "providers.NAME.prices.*.usdPerMtok.output": { text: "" },
  "providers.NAME.prices.*.usdPerMtok.cacheRead": { text: "" },
  "providers.NAME.prices.*.usdPerMtok.cacheWrite5m": { text: "" },
  "providers.NAME.prices.*.usdPerMtok.cacheWrite1h": { text: "" },
  "providers.NAME.prices.*.usdPerMtok.inputAudio": { text: "" },
  "providers.NAME.prices.*.usdPerMtok.outputAudio": { text: "" },
  "providers.NAME.prices.*.tiers[]": { text: "`above` (tokens) and `usdPerMtok`; a tier rules the whole request" },
  "providers.NAME.prices.*.serviceTiers.*": {
    text:
      "what the prices are multiplied by where the answer names this service tier, as a decimal; one that is not named is unpriced"
  },
  "providers.NAME.prices.*.regions.*": { text: "the same by region; where both apply, by both" },
  "providers.NAME.region": {
    text:
      "AWS's region of the kinds `bedrock` and `bedrock-mantle`; of the others where their answers are made, if that has another price; what the answer says itself rules"
  },
  "providers.NAME.models[]": { text: "model ids to list as `NAME/id` and to call by their bare name" },
  "models.ALIAS.strategy": { default: "ordered", text: "in the order written, or drawn by weight" },
  "models.ALIAS.targets[].provider": { text: "NAME of a provider" },
  "models.ALIAS.targets[].model": { text: "the upstream's name of the model" },
  "models.ALIAS.targets[].weight": { default: 1, text: "share with `weighted`; 0 = only when the others have failed" },
  "models.ALIAS.targets[].capabilities.context": {
    text: "tokens of prompt and answer together; default as the catalogue has it"
  },
  "models.ALIAS.targets[].capabilities.maxOutput": {
    text: "most tokens of one answer; requests for more pass it over"
  },
  "models.ALIAS.targets[].capabilities.vision": {
    text: "it looks at images; where not, requests with any pass it over"
  },
  "models.ALIAS.targets[].capabilities.tools": {
    text: "it calls functions; where not, requests with tools pass it over"
  },
  "models.ALIAS.targets[].capabilities.jsonSchema": {
    text: "it keeps to a JSON Schema; where not, requests for one pass it over"
  },
  "models.ALIAS.targets[].capabilities.prefill": {
    text:
      "it goes on from the beginning of an answer that is given as the last message; where not, requests that end so pass it over"
  },
  "models.ALIAS.targets[].capabilities.reasoning": { text: "it thinks before it answers; shown in `GET /v1/models`" },
  "models.ALIAS.targets[].capabilities.sampling": {
    text:
      "it takes `temperature` and `top_p`; where not, requests with any but 1 pass it over, unless its dialect leaves it out"
  },
  "models.ALIAS.stream.onInterrupted": {
    default: "error",
    text:
      "a stream that breaks after its first content ends in an error, is joined to the answer of another try where that agrees "
      + "to the letter, or is not sent before it is whole"
  },
  ...under("models.ALIAS.limits", limitDocs),
  ...under("models.ALIAS.timeouts", timeoutDocs(false)),
  ...under("models.ALIAS.guards", guardDocs),
  "models.ALIAS.parameters": {
    default: "warn",
    text:
      "parameters that a target's dialect has no words for are left out and named in `x-breakwater-dropped-params`, or the "
      + "target is not asked, and with nobody else left the request is refused"
  },
  ...under("defaults.timeouts", timeoutDocs(true)),
  ...under("defaults.guards", guardDocs),
  "defaults.retry.attempts": { default: retry.attempts, text: "tries on one target, the first included" },
  "defaults.retry.base": {
    default: duration(retry.baseMs),
    text: "upper end of the first random wait; doubles with each"
  },
  "defaults.retry.throttleBase": { default: duration(retry.throttleBaseMs), text: "the same after a 429" },
  "defaults.retry.max": {
    default: duration(retry.maxMs),
    text: "upper end of every wait; a longer `retry-after` means the next target"
  },
  "defaults.retry.budget": {
    default: retry.budget,
    text: "retries a target may get beyond its successes"
  },
  ...under("defaults.breaker", breakerDocs(true)),
  "validation.unicode": {
    default: defaultRuleSettings.unicode,
    text: "metadata with control, direction-override or tag characters is refused, or carried inside JSON only"
  },
  "validation.files.allow[]": {
    text: "the only extensions that a `filename` of a request may have; default: all but dangerous ones"
  },
  "validation.files.deny[]": { text: "extensions that are refused besides the dangerous ones" },
  "images.fetch": {
    default: images.fetch,
    text:
      "fetches the http(s) URLs of images for upstreams that take bytes only, from public addresses alone; otherwise a 400"
  },
  "images.hosts[]": {
    text: "hosts that an image's URL may name, exact or as `*.example.com`, whoever fetches it; none = every public one"
  },
  "images.maxSize": { default: size(images.maxSize), text: "one image for an upstream that takes bytes only" },
  "telemetry.logs.format": { default: telemetry.logs.format, text: "how log lines are written" },
  "telemetry.logs.level": { default: telemetry.logs.level, text: "least severe level that is written" },
  "telemetry.otlp.endpoint": { text: "base URL of an OTLP/HTTP collector" },
  "telemetry.otlp.sample": { default: telemetry.otlp.sample, text: "share of requests traced, 0 to 1" },
  "telemetry.otlp.traces": {
    default: telemetry.otlp.traces,
    text: "whether traces go there; `OTEL_TRACES_EXPORTER=none` says no"
  },
  "telemetry.otlp.metrics": {
    default: telemetry.otlp.metrics,
    text: "whether metrics go there; they are at `/metrics` in any case; `OTEL_METRICS_EXPORTER=none` says no"
  },
  "telemetry.otlp.tracesEndpoint": { text: "URL for traces that is used as it is, in place of `endpoint`" },
  "telemetry.otlp.exporter": {
    default: telemetry.otlp.exporter,
    text: "OpenTelemetry's SDK, or our own writer of OTLP JSON, which is cheaper"
  },
  "telemetry.otlp.protocol": { default: telemetry.otlp.protocol, text: "how the SDK writes; `native` writes JSON" },
  "telemetry.otlp.compression": { default: telemetry.otlp.compression, text: "of what is sent" },
  "telemetry.otlp.attributes.*": { text: "what else traces say of this process" },
  "telemetry.otlp.conventions": {
    default: telemetry.otlp.conventions,
    text: "names of the GenAI conventions: the last that were tagged, or their present state"
  },
  "telemetry.otlp.timeout": { default: duration(telemetry.otlp.timeoutMs), text: "for one batch" },
  "telemetry.otlp.interval": { default: duration(telemetry.otlp.intervalMs), text: "longest wait of a span" },
  "telemetry.otlp.batch": { default: telemetry.otlp.batch, text: "spans that are sent at once" },
  "telemetry.otlp.queue": {
    default: telemetry.otlp.queue,
    text: "spans that may wait; what comes beyond is dropped and counted"
  },
  "telemetry.otlp.headers.*": { text: "headers for the collector; `OTEL_EXPORTER_OTLP_HEADERS` takes their place" },
  "telemetry.otlp.tracesHeaders.*": {
    text: "headers for traces alone, in place of `headers`; `OTEL_EXPORTER_OTLP_TRACES_HEADERS` takes their place"
  },
  "telemetry.otlp.serviceName": {
    default: telemetry.otlp.serviceName,
    text: "what traces call this service; `OTEL_SERVICE_NAME` takes its place"
  },
  "telemetry.capture": { default: telemetry.capture, text: "what of a request's content a sink may keep" },
  "storage.sql": {
    text:
      "`sqlite:FILE` or `postgres://…`, where the ledger is kept (docs/OPERATIONS.md); absent = memory, the last requests only"
  },
  "storage.redis": {
    text:
      "`redis://…` or `rediss://…`, where limits and budgets are counted for all processes that name it (docs/OPERATIONS.md); absent = each start counts for itself"
  },
  "storage.redisTimeout": {
    default: duration(storage.redisTimeoutMs),
    text: "longest wait for one command; after it Redis is away until it answers again"
  },
  "storage.redisPrefix": {
    default: storage.redisPrefix,
    text: "what the names of all keys in Redis begin with; processes that share limits have the same"
  },
  "storage.whenAway.limits": {
    default: storage.whenAway.limits,
    text: "requests of keys and models with limits, while what is counted cannot be reached: let through, or refused"
  },
  "storage.whenAway.budgets": { default: storage.whenAway.budgets, text: "the same for budgets" }
}

/** What stands for the keys of a record, by the record's own path. */
const placeholders: Readonly<Record<string, string>> = { providers: "NAME", models: "ALIAS" }

interface Key {
  readonly path: string
  readonly type: string
  /** The members of a closed set. */
  readonly values: ReadonlyArray<string>
}

const literals = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Literal" ? [String(ast.literal)] : ast._tag === "Union" ? ast.types.flatMap(literals) : []

/** What one writes for a value: the encoded side tells durations and sizes from numbers. */
const typeOf = (ast: SchemaAST.AST): string => {
  if (ast._tag === "Declaration") return "secret"
  const encoded = ast.encoding?.[0].to
  if (ast._tag === "Number" && encoded !== undefined) {
    const checks = JSON.stringify(encoded.checks)
    return checks.includes("kb|mb") ? "size" : checks.includes("a day such as") ? "day or moment" : "duration"
  }
  const known = literals(ast)
  if (known.length > 0) return known.join(" | ")
  if (ast._tag === "Union") return ast.types.map(typeOf).join(" or ")
  const names: Readonly<Record<string, string>> = { String: "text", Number: "number", Boolean: "true | false" }
  return names[ast._tag] ?? "any"
}

/** Objects among the forms of an entry, such as a key with a name beside a key as text. */
const objectsIn = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.Objects> =>
  ast._tag === "Objects" ? [ast] : ast._tag === "Union" ? ast.types.flatMap(objectsIn) : []

const keysUnder = (ast: SchemaAST.AST, path: string): ReadonlyArray<Key> => {
  if (path.endsWith("tiers[]")) return [{ path, type: "object", values: [] }]
  if (ast._tag === "Arrays") return ast.rest.slice(0, 1).flatMap((member) => keysUnder(member, `${path}[]`))
  const objects = objectsIn(ast)
  if (objects.length === 0) return [{ path, type: typeOf(ast), values: literals(ast) }]
  const inner = objects.flatMap((object) => [
    ...object.propertySignatures.flatMap(({ name, type }) =>
      keysUnder(type, path === "" ? String(name) : `${path}.${String(name)}`)
    ),
    ...object.indexSignatures.flatMap(({ type }) => keysUnder(type, `${path}.${placeholders[path] ?? "*"}`))
  ])
  if (ast._tag !== "Union") return inner
  const forms = ast.types.map((form) => form._tag === "Objects" ? "object" : typeOf(form))
  return [{ path, type: forms.join(" or "), values: [] }, ...inner]
}

/** A document in which a key is written, with a value that stands for any. */
const documentWith = (path: string, value: string): unknown =>
  path.split(".").reduceRight<unknown>(
    (inner, part) => part.endsWith("[]") ? { [part.slice(0, -2)]: [inner] } : { [part]: inner },
    value
  )

/** What the banner would say of the key; of a closed set, of those values only for which it would. */
const remark = (path: string, values: ReadonlyArray<string>): string => {
  const told = (value: string) => inactiveKeys(documentWith(path, value))[0]?.why
  if (values.length === 0) {
    const why = told("some value")
    return why === undefined ? "" : `not active: ${why}`
  }
  const inactive = values.filter((value) => told(value) !== undefined)
  const [first] = inactive
  return first === undefined ? "" : `not active: ${inactive.join(", ")} (${told(first)})`
}

const rows = (keys: ReadonlyArray<Key>): ReadonlyArray<ReadonlyArray<string>> =>
  keys.map(({ path, type, values }) => {
    const doc = docs[path]
    if (doc === undefined) throw new Error(`tools/configuration-page.ts says nothing about ${path}`)
    const told = [doc.text, remark(path, values)].filter((text) => text !== "").join("; ")
    return [`\`${path}\``, type, doc.default === undefined ? "" : `\`${doc.default}\``, told]
  })

const section = (title: string, keys: ReadonlyArray<Key>): string =>
  `## ${title}\n\n${table(["key", "type", "default", "what"], rows(keys))}\n`

/** Who asks, at the clouds: one of several ways. */
const waysIn: Readonly<Record<string, string>> = {
  "azure-openai": "one of `apiKey`, `entraToken` and `tokenFile`",
  bedrock: "one of `apiKey`, `tokenFile` and AWS's keys (`accessKeyId` with `secretAccessKey`)",
  "bedrock-mantle": "one of `apiKey` and `tokenFile`",
  gemini: "`apiKey`, or for Vertex AI `tokenFile` and `baseUrl`"
}

const kindRows = kinds.map((
  { baseUrl, endpointName, keyName, kind, needsBaseUrl, needsKey, needsRegion, otherNames }
) => [
  `\`${kind}\``,
  baseUrl === undefined ? "" : `\`${baseUrl}\``,
  [keyName, endpointName].filter((name) => name !== undefined).map((name) => `\`${name}\``).join(" and ") +
  (otherNames === undefined ? "" : ", or with AWS's own keys"),
  [
    needsKey === true ? waysIn[kind] ?? "`apiKey`" : "",
    needsBaseUrl === true ? "`baseUrl`" : "",
    needsRegion === true ? "`region`" : ""
  ].filter((need) => need !== "").join(", ")
])

export const configurationPage = (): string => {
  const keys = keysUnder(ConfigurationFile.ast, "")
  const unknown = Object.keys(docs).filter((path) => !keys.some((key) => key.path === path))
  if (unknown.length > 0) throw new Error(`the schema does not have ${unknown.join(", ")}`)
  const sections = ["server", "providers", "models", "defaults", "images", "telemetry", "storage"].map((title) =>
    section(`\`${title}\``, keys.filter(({ path }) => path.startsWith(`${title}.`)))
  )
  return `# Configuration

Generated by \`npm run docs\` from the schema in \`src/config\` and the rooms' defaults. Do not edit.

One file in YAML, JSON or TOML: \`--config FILE\`, else \`BREAKWATER_CONFIG\`, else \`./breakwater.yaml\` if it is there. Every key is
optional. \`npm start -- check FILE\` says what a file means, or everything that is wrong with it.

- Flag over environment over file over default. Flags: \`--config\`, \`--host\`, \`--port\`, \`--workers\`. Environment:
  \`BREAKWATER_CONFIG\`, \`BREAKWATER_HOST\`, \`BREAKWATER_PORT\`, \`BREAKWATER_WORKERS\`, \`BREAKWATER_KEY\` (joins \`server.keys\`),
  \`BREAKWATER_ADMIN_KEY\`, and the standard \`OTEL_*\` variables of traces ([OPERATIONS](OPERATIONS.md#traces)).
- \`\${NAME}\` in a value is replaced by that variable; one that is not set is a start-up error. \`\${NAME:-text}\` has a default. An
  empty value means absent.
- An unknown key is refused with its path and, where one is near, a suggestion. A key whose part is not built yet is accepted and
  named in the banner as not active.
- A client key without \`models\`, \`limits\`, \`budget\` and \`expires\` may do everything ([OPERATIONS](OPERATIONS.md#client-keys)).
- Durations are written \`200ms\`, \`5s\`, \`10m\`, \`1h\`, \`1d\`; sizes \`512kb\`, \`20mb\` (1 kb = 1024 bytes).
- \`firstToken\` and \`answer\` end an attempt only while another target could still answer; the last one is given the rest of
  \`total\`. The breaker hears of it at the limit either way, and of the answer when it comes: a last hope that is only late is not taken away, one
  that never answers is. After another outage a circuit closes on a probe within the limit, so an alias of a model that thinks for long needs
  limits that its answers keep, such as \`firstToken: 60s\`.
- \`providers.NAME.breaker\` and \`models.ALIAS.timeouts\` override \`defaults\` key by key.

${sections.join("\n")}
## Kinds of providers

Without a \`providers\` section every kind whose variables are set is on, under its own name, and a local Ollama if it answers. The
provider \`simulated\` is there too, unless \`providers.simulated.enabled\` is \`false\`.

The address of \`vllm\` is the one Breakwater itself listens on by default: a provider whose address is the gateway's own is refused, so give
one of them another port.

\`gemini\` speaks \`generateContent\`. It answers for Vertex AI as well: there \`baseUrl\` is
\`https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/publishers/google\` and \`apiKey\` an access token, sent as
Bearer, or \`tokenFile\` the file that it stands in. What a model of Gemini, Claude or DeepSeek thought about a call of a tool comes back to it in the id of that call, so clients must not shorten those ids.

${table(["kind", "its own address", "on without a file when set", "needs in the file"], kindRows)}
`
}
