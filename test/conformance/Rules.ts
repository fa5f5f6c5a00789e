/**
 * What OpenTelemetry's conventions say about our spans, as a table: written from their text, not from our code. GenAI as of 1.41 and
 * as of their new home (`latest`), HTTP as stable. Our own names stand beside them, so that nothing on a span is without a rule.
 */
import type { Span } from "./Sink.ts"

export type Profile = "1.41" | "latest"
export type Kind = "server" | "route" | "call" | "wire"

/** A span with those around it, and what is known about the request that it belongs to. */
export interface Subject {
  readonly span: Span
  readonly parent: Span | undefined
  /** In the order of their starts. */
  readonly children: ReadonlyArray<Span>
  /** Spans of the same parent and kind that began before it. */
  readonly before: ReadonlyArray<Span>
  readonly profile: Profile
  readonly facts: Facts
}

/** What whoever made the request knows of it. */
export interface Facts {
  readonly body?: Readonly<Record<string, unknown>> | undefined
  /** Attributes that every call of an answer has to have, with their values. */
  readonly answer?: Readonly<Record<string, unknown>> | undefined
  readonly exporter?: "native" | "sdk" | undefined
}

/** What every request here says that it comes from. */
export const userAgent = "conformance/1"

export interface Rule {
  readonly name: string
  readonly type: "string" | "int" | "double" | "bool" | "string[]"
  /** When it has to be there; default never. */
  readonly needed?: (subject: Subject) => boolean
  /** When it may be there; default always. */
  readonly allowed?: (subject: Subject) => boolean
  /** What it has to be, if that is known. */
  readonly equals?: (subject: Subject) => unknown
  readonly values?: ReadonlyArray<string>
}

const always = () => true
const isFailed = ({ span }: Subject): boolean => span.attributes["error.type"] !== undefined
const isCancelled = ({ span }: Subject): boolean => span.attributes["breakwater.cancelled"] === true
const isWhole = (subject: Subject): boolean => !isFailed(subject) && !isCancelled(subject)
const isSimulated = ({ span }: Subject): boolean => span.attributes["gen_ai.provider.name"] === "simulated"
const isOpenAi = ({ span }: Subject): boolean => span.attributes["gen_ai.provider.name"] === "openai"
const isLatest = ({ profile }: Subject): boolean => profile === "latest"
const asked = ({ facts }: Subject, key: string): unknown => facts.body?.[key]
const isAsked = (key: string) => (subject: Subject): boolean =>
  asked(subject, key) !== undefined && asked(subject, key) !== null
const answers = (name: string) => (subject: Subject): boolean =>
  isWhole(subject) && subject.facts.answer !== undefined && name in subject.facts.answer
const isVectors = isAsked("input")
const isChat = (subject: Subject): boolean => !isVectors(subject)
const isStream = (subject: Subject): boolean => asked(subject, "stream") === true
const wasSent = ({ children }: Subject): boolean => children.length > 0

const hasEvent = (span: Span | undefined, name: string): boolean =>
  span?.events.some((event) => event.name === name) === true
const saidCancelled = (span: Span | undefined): boolean => span?.attributes["breakwater.cancelled"] === true
/** Something of its stream was given out. */
const isBegun = ({ parent, span }: Subject): boolean =>
  parent?.events.some(({ attributes, name }) =>
    name === "breakwater.stream.first_chunk" && attributes["breakwater.target"] === span.attributes["breakwater.target"]
  ) === true
const isAnswered = (subject: Subject): boolean => isWhole(subject) || isBegun(subject)

const providers = (
  "openai anthropic aws.bedrock azure.ai.openai azure.ai.inference gcp.gemini gcp.vertex_ai gcp.gen_ai cohere deepseek groq"
  // Custom names are allowed; the last two are ours.
  + " ibm.watsonx.ai mistral_ai perplexity x_ai openai-compatible simulated"
).split(" ")

const formatOf = ({ facts }: Subject): string | undefined => {
  const format = facts.body?.["response_format"]
  if (format === undefined) return undefined
  return typeof format === "object" && format !== null && "type" in format && format.type === "text" ? "text" : "json"
}

const parameter = (name: string, key: string, type: Rule["type"]): Rule => ({
  name: `gen_ai.request.${name}`,
  type,
  needed: isAsked(key),
  allowed: isAsked(key),
  equals: (subject) => asked(subject, key)
})

const told = (name: string, type: Rule["type"], allowed: Rule["allowed"] = always): Rule => ({
  name,
  type,
  allowed,
  needed: (subject) => allowed(subject) && answers(name)(subject),
  equals: (subject) => isWhole(subject) ? subject.facts.answer?.[name] : undefined
})

/** What the SDK's tracer of Effect adds to what was interrupted. */
const interrupted: Rule = {
  name: "effect.fiber.interrupted",
  type: "bool",
  needed: (subject) => isCancelled(subject) && subject.facts.exporter === "sdk",
  allowed: (subject) => isCancelled(subject) && subject.facts.exporter === "sdk"
}

const upstreamRequestId = "breakwater.upstream.request.id"

const call: ReadonlyArray<Rule> = [
  {
    name: "gen_ai.operation.name",
    type: "string",
    needed: always,
    equals: (subject) => isVectors(subject) ? "embeddings" : "chat"
  },
  { name: "gen_ai.provider.name", type: "string", needed: always, values: providers },
  {
    name: "gen_ai.request.model",
    type: "string",
    needed: always,
    equals: ({ span }) =>
      String(span.attributes["breakwater.target"]).replace(/^[^/]*\//, "").replace(/^\*$/, "") || undefined
  },
  { name: "gen_ai.request.stream", type: "bool", needed: isStream, allowed: isStream, equals: () => true },
  { ...parameter("choice.count", "n", "int"), needed: (subject) => isAsked("n")(subject) && asked(subject, "n") !== 1 },
  parameter("seed", "seed", "int"),
  {
    name: "gen_ai.request.max_tokens",
    type: "int",
    needed: (subject) => isAsked("max_tokens")(subject) || isAsked("max_completion_tokens")(subject),
    equals: (subject) => asked(subject, "max_completion_tokens") ?? asked(subject, "max_tokens")
  },
  parameter("temperature", "temperature", "double"),
  parameter("top_p", "top_p", "double"),
  parameter("frequency_penalty", "frequency_penalty", "double"),
  parameter("presence_penalty", "presence_penalty", "double"),
  { ...parameter("stop_sequences", "stop", "string[]"), equals: (subject) => [asked(subject, "stop")].flat() },
  {
    name: "gen_ai.output.type",
    type: "string",
    values: ["text", "json", "image", "speech"],
    needed: (subject) => formatOf(subject) !== undefined,
    equals: formatOf
  },
  {
    ...parameter("reasoning.level", "reasoning_effort", "string"),
    needed: (subject) => isLatest(subject) && isAsked("reasoning_effort")(subject),
    allowed: isLatest
  },
  {
    name: "gen_ai.embeddings.dimension.count",
    type: "int",
    needed: isAsked("dimensions"),
    allowed: isVectors,
    equals: (subject) => asked(subject, "dimensions")
  },
  {
    name: "gen_ai.request.encoding_formats",
    type: "string[]",
    needed: isAsked("encoding_format"),
    allowed: isVectors,
    equals: (subject) => [asked(subject, "encoding_format")]
  },
  {
    name: "gen_ai.response.id",
    type: "string",
    needed: (subject) => isChat(subject) && isAnswered(subject),
    allowed: isChat
  },
  { name: "gen_ai.response.model", type: "string", needed: isAnswered },
  {
    name: "gen_ai.response.finish_reasons",
    type: "string[]",
    needed: (subject) =>
      isChat(subject) && (isWhole(subject) || (isLatest(subject) && isFailed(subject) && isBegun(subject))),
    allowed: isChat
  },
  {
    name: "gen_ai.response.time_to_first_chunk",
    type: "double",
    needed: (subject) => isStream(subject) && isAnswered(subject),
    allowed: isStream
  },
  { name: "gen_ai.usage.input_tokens", type: "int", needed: isWhole },
  {
    name: "gen_ai.usage.output_tokens",
    type: "int",
    needed: (subject) => isChat(subject) && isWhole(subject),
    allowed: isChat
  },
  told("gen_ai.usage.cache_read.input_tokens", "int"),
  told("gen_ai.usage.cache_creation.input_tokens", "int", (subject) => !isLatest(subject)),
  told("gen_ai.usage.cache_write.input_tokens", "int", isLatest),
  told("gen_ai.usage.reasoning.output_tokens", "int"),
  told("gen_ai.usage.audio.input_tokens", "int", isLatest),
  told("gen_ai.usage.audio.output_tokens", "int", isLatest),
  told("gen_ai.usage.cost", "double"),
  told("gen_ai.usage.cost.amount", "double", isLatest),
  { ...told("gen_ai.usage.cost.currency", "string", isLatest), values: ["USD"] },
  { ...told("gen_ai.usage.cost.source", "string", isLatest), values: ["provider", "local"] },
  {
    name: "openai.api.type",
    type: "string",
    needed: (subject) => isOpenAi(subject) && isChat(subject),
    allowed: (subject) => isOpenAi(subject) && isChat(subject),
    values: ["chat_completions", "responses"]
  },
  {
    name: "openai.request.service_tier",
    type: "string",
    needed: (subject) =>
      isOpenAi(subject) && isAsked("service_tier")(subject) && asked(subject, "service_tier") !== "auto",
    allowed: isOpenAi
  },
  told("openai.response.service_tier", "string", isOpenAi),
  { name: "server.address", type: "string", needed: (subject) => !isSimulated(subject) && wasSent(subject) },
  { name: "server.port", type: "int", needed: ({ span }) => span.attributes["server.address"] !== undefined },
  { name: "error.type", type: "string", needed: ({ span }) => span.status === 2 },
  { name: "breakwater.target", type: "string", needed: always },
  {
    name: "breakwater.cancelled",
    type: "bool",
    needed: ({ parent, span }) =>
      saidCancelled(parent) && parent?.attributes["breakwater.ended"] === "cancelled" &&
      span.attributes["gen_ai.response.finish_reasons"] === undefined && span.attributes["error.type"] === undefined,
    allowed: (subject) => !isFailed(subject)
  },
  {
    name: upstreamRequestId,
    type: "string",
    // Every upstream here names its answers.
    needed: isAnswered,
    equals: ({ facts }) => facts.answer?.[upstreamRequestId]
  },
  interrupted
]

const wire: ReadonlyArray<Rule> = [
  { name: "http.request.method", type: "string", needed: always, values: ["GET", "POST"] },
  { name: "server.address", type: "string", needed: always },
  { name: "server.port", type: "int", needed: always },
  {
    name: "url.full",
    type: "string",
    needed: always,
    equals: ({ span: { attributes } }) =>
      `http://${String(attributes["server.address"])}:${String(attributes["server.port"])}${
        String(attributes["url.template"])
      }`
  },
  { name: "url.template", type: "string", needed: always },
  {
    name: "http.request.resend_count",
    type: "int",
    needed: ({ before }) => before.length > 0,
    allowed: ({ before }) => before.length > 0,
    equals: ({ before }) => before.length
  },
  {
    name: "http.response.status_code",
    type: "int",
    needed: ({ span: { attributes } }) =>
      attributes["network.protocol.version"] !== undefined || /^\d+$/.test(String(attributes["error.type"] ?? ""))
  },
  {
    name: "network.protocol.version",
    type: "string",
    needed: ({ span: { attributes } }) => attributes["http.response.status_code"] !== undefined,
    values: ["1.1"]
  },
  {
    name: "error.type",
    type: "string",
    needed: ({ span }) => span.status === 2 || Number(span.attributes["http.response.status_code"] ?? 0) >= 400,
    equals: ({ span }) => {
      const status = Number(span.attributes["http.response.status_code"] ?? 0)
      return status >= 400 ? String(status) : undefined
    }
  },
  {
    name: "breakwater.cancelled",
    type: "bool",
    needed: ({ parent, span }) => saidCancelled(parent) && span.attributes["error.type"] === undefined,
    allowed: (subject) => !isFailed(subject)
  },
  interrupted
]

const server: ReadonlyArray<Rule> = [
  {
    name: "http.request.method",
    type: "string",
    needed: always,
    values: ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "_OTHER"]
  },
  {
    name: "http.request.method_original",
    type: "string",
    needed: ({ span }) => span.attributes["http.request.method"] === "_OTHER"
  },
  { name: "http.route", type: "string", needed: ({ span }) => span.name.includes(" ") },
  { name: "url.path", type: "string", needed: always },
  { name: "url.scheme", type: "string", needed: always, values: ["http", "https"] },
  { name: "network.protocol.version", type: "string", needed: always, values: ["1.0", "1.1"] },
  { name: "client.address", type: "string", needed: always },
  { name: "server.address", type: "string", needed: always },
  { name: "server.port", type: "int", needed: ({ span }) => span.attributes["server.address"] !== undefined },
  {
    name: "http.response.status_code",
    type: "int",
    needed: (subject) =>
      !isCancelled(subject) || subject.children.some((route) => hasEvent(route, "breakwater.stream.first_chunk"))
  },
  {
    name: "error.type",
    type: "string",
    needed: ({ span }) => span.status === 2 || Number(span.attributes["http.response.status_code"]) >= 500,
    allowed: ({ span }) => {
      const status = Number(span.attributes["http.response.status_code"])
      return status >= 500 || status === 200
    }
  },
  { name: "user_agent.original", type: "string", needed: always, equals: () => userAgent },
  { name: "breakwater.request.id", type: "string", needed: always },
  {
    name: "breakwater.cancelled",
    type: "bool",
    needed: ({ children }) => children.some(saidCancelled),
    allowed: (subject) => !isFailed(subject)
  },
  interrupted
]

const number = (value: unknown): number => typeof value === "number" ? value : 0

const route: ReadonlyArray<Rule> = [
  {
    name: "breakwater.request.id",
    type: "string",
    needed: always,
    equals: ({ parent }) => parent?.attributes["breakwater.request.id"]
  },
  { name: "breakwater.model.requested", type: "string", needed: always, equals: (subject) => asked(subject, "model") },
  { name: "breakwater.route.policy", type: "string", needed: always, values: ["ordered", "weighted"] },
  { name: "breakwater.candidates", type: "string[]", needed: always },
  { name: "breakwater.attempts", type: "int", needed: always },
  {
    name: "breakwater.targets.tried",
    type: "int",
    needed: always,
    equals: ({ children }) => new Set(children.map(({ attributes }) => attributes["breakwater.target"])).size
  },
  {
    name: "breakwater.retries",
    type: "int",
    needed: ({ span: { attributes } }) =>
      number(attributes["breakwater.attempts"]) > number(attributes["breakwater.targets.tried"])
  },
  { name: "breakwater.ended", type: "string", needed: always },
  {
    name: "breakwater.winner",
    type: "string",
    needed: ({ span }) =>
      ["answered", "interrupted"].includes(String(span.attributes["breakwater.ended"]))
      || (saidCancelled(span) && hasEvent(span, "breakwater.stream.first_chunk"))
  },
  {
    name: "breakwater.fallback",
    type: "bool",
    needed: ({ span: { attributes, events } }) =>
      attributes["breakwater.winner"] !== undefined
      && (number(attributes["breakwater.targets.tried"]) > 1 || events.some(({ name }) => /rejected|skip/.test(name)))
  },
  {
    name: "breakwater.cost.usd",
    type: "string",
    needed: ({ span: { attributes } }) =>
      attributes["breakwater.winner"] !== undefined && attributes["breakwater.cost.status"] === undefined
  },
  {
    name: "breakwater.cost.status",
    type: "string",
    values: ["unpriced", "estimated"],
    needed: ({ span: { attributes } }) =>
      attributes["breakwater.winner"] !== undefined && attributes["breakwater.cost.usd"] === undefined
  },
  {
    name: "breakwater.decision",
    type: "string",
    needed: ({ span: { attributes, events } }) =>
      number(attributes["breakwater.attempts"]) > 1 || events.some(({ name }) => /rejected|skip/.test(name))
      || (attributes["breakwater.attempts"] === 1 && attributes["breakwater.ended"] !== "answered")
  },
  {
    name: "breakwater.resumed",
    type: "int",
    needed: ({ span }) =>
      span.attributes["breakwater.ended"] === "answered" && hasEvent(span, "breakwater.stream.resumption"),
    allowed: ({ span }) => hasEvent(span, "breakwater.stream.resumption")
  },
  { name: "error.type", type: "string", needed: ({ span }) => span.status === 2 },
  {
    name: "breakwater.cancelled",
    type: "bool",
    needed: ({ span }) => span.attributes["breakwater.ended"] === "cancelled",
    allowed: (subject) => !isFailed(subject)
  },
  interrupted
]

export const rules: Readonly<Record<Kind, ReadonlyArray<Rule>>> = { server, route, call, wire }

/** Events of a route and the attributes that each has to have. */
export const events: Readonly<Record<string, ReadonlyArray<string>>> = {
  "breakwater.retry": ["breakwater.target", "breakwater.attempt", "breakwater.delay_ms", "error.type"],
  "breakwater.failover": [
    "breakwater.target",
    "breakwater.from",
    "breakwater.attempt",
    "breakwater.delay_ms",
    "error.type"
  ],
  "breakwater.stream.resumption": [
    "breakwater.target",
    "breakwater.from",
    "breakwater.attempt",
    "breakwater.delay_ms",
    "error.type"
  ],
  "breakwater.stream.first_chunk": ["breakwater.target"],
  "breakwater.breaker.rejected": ["breakwater.target", "breakwater.why"],
  "breakwater.skip": ["breakwater.target", "breakwater.why"],
  "breakwater.breaker.transition": [
    "breakwater.target",
    "breakwater.breaker.from",
    "breakwater.breaker.to",
    "breakwater.cause"
  ],
  "breakwater.cooldown.transition": [
    "breakwater.target",
    "breakwater.breaker.from",
    "breakwater.breaker.to",
    "breakwater.cause"
  ],
  "breakwater.credential.transition": [
    "breakwater.target",
    "breakwater.breaker.from",
    "breakwater.breaker.to",
    "breakwater.cause"
  ]
}
