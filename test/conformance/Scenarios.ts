/** Requests of every kind and fate, with what whoever makes them knows of their traces. */

/** What the spans of a scenario have to look like, so that it shows what its name says. */
interface Wanted {
  readonly status: number
  /** Calls to providers. */
  readonly calls: number
  /** Requests on the wire; default as many as calls. */
  readonly wires?: number
  /** Events of the route that have to be there. */
  readonly events?: ReadonlyArray<string>
  /** The call that is cancelled. */
  readonly cancelled?: true
}

export interface Scenario {
  readonly name: string
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Text is sent as it is. */
  readonly body?: Readonly<Record<string, unknown>> | string
  /** Attributes of every call that answers. */
  readonly answer?: Readonly<Record<string, unknown>>
  /** The caller leaves: at the first piece of the answer, or once the upstream was asked. */
  readonly leaves?: "at-first-piece" | "once-asked"
  /** Requests before it, one after the other, of which nothing is asserted but that they conform. */
  readonly earlier?: number
  readonly wanted: Wanted
}

const hello = [{ role: "user", content: "hi" }]

const rich = {
  "breakwater.upstream.request.id": "req_rich",
  "gen_ai.usage.input_tokens": 1000,
  "gen_ai.usage.output_tokens": 100,
  "gen_ai.usage.cache_read.input_tokens": 400,
  "gen_ai.usage.reasoning.output_tokens": 60,
  "gen_ai.usage.audio.input_tokens": 20,
  "gen_ai.usage.audio.output_tokens": 10,
  // (580 × 2 + 400 × 0.5 + 20 × 4 + 90 × 8 + 10 × 16) / 10^6
  "gen_ai.usage.cost": 0.00232,
  "gen_ai.usage.cost.amount": 0.00232,
  "gen_ai.usage.cost.currency": "USD",
  "gen_ai.usage.cost.source": "local"
}

/** What upstreams count that have nothing special. */
const counted = { "gen_ai.usage.cache_read.input_tokens": 0, "gen_ai.usage.reasoning.output_tokens": 0 }

/** The prices that this cost is of. */
export const prices = {
  "gpt-rich": { usdPerMtok: { input: "2", output: "8", cacheRead: "0.5", inputAudio: "4", outputAudio: "16" } }
}

const tools = [{ type: "function", function: { name: "look", parameters: { type: "object" } } }]
const picture = [{
  role: "user",
  content: [{ type: "text", text: "what?" }, { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } }]
}]

const both = (name: string, body: Readonly<Record<string, unknown>>, more: Partial<Scenario> = {}) =>
  [false, true].map((stream): Scenario => ({
    name: `${name}, ${stream ? "streamed" : "plain"}`,
    body: { model: "rich", messages: hello, ...body, ...(stream ? { stream } : {}) },
    answer: rich,
    wanted: { status: 200, calls: 1, events: stream ? ["breakwater.stream.first_chunk"] : [] },
    ...more
  }))

const answered: ReadonlyArray<Scenario> = [
  ...both("a success", {}),
  ...both("tools", { tools, user: "tools" }),
  ...both("vision", { messages: picture }),
  ...both("a schema", { response_format: { type: "json_schema", json_schema: { name: "x", schema: {} } } }),
  ...both("plain text asked for", { response_format: { type: "text" } }),
  ...both("two choices", { n: 2 }),
  ...both("a served tier", { service_tier: "flex", user: "flex" }, {
    answer: {
      ...Object.fromEntries(Object.entries(rich).filter(([name]) => !name.includes("cost"))),
      "openai.response.service_tier": "flex"
    }
  }),
  ...both("every parameter", {
    max_completion_tokens: 50,
    temperature: 1,
    top_p: 0.5,
    frequency_penalty: 0.25,
    presence_penalty: -1,
    seed: 7,
    stop: ["a", "b"],
    reasoning_effort: "low"
  }),
  { ...both("one stop word", { stop: "a" })[0]! }, // the list has two
  ...both("the simulated provider", { model: "sim" }, {
    answer: counted,
    wanted: { status: 200, calls: 1, wires: 0 }
  }),
  ...both("a name without an alias", { model: "rich/gpt-rich" })
]

/** What vectors of two words cost: 2 × 2 / 10^6. */
const vectors = {
  "breakwater.upstream.request.id": "req_rich",
  "gen_ai.usage.input_tokens": 2,
  "gen_ai.usage.cost": 0.000004,
  "gen_ai.usage.cost.amount": 0.000004,
  "gen_ai.usage.cost.currency": "USD",
  "gen_ai.usage.cost.source": "local"
}

const embedded: ReadonlyArray<Scenario> = [{}, { dimensions: 2, encoding_format: "float" }].map((more, at) => ({
  name: `vectors${at === 0 ? "" : ", with every parameter"}`,
  path: "/v1/embeddings",
  body: { model: "rich", input: "hi there", ...more },
  answer: vectors,
  wanted: { status: 200, calls: 1 }
}))

const faulty = (
  name: string,
  model: string,
  wanted: Wanted,
  more: Partial<Scenario> & { readonly stream?: boolean } = {}
): Scenario => {
  const { stream = false, ...rest } = more
  return { name, body: { model, messages: hello, ...(stream ? { stream } : {}) }, answer: counted, wanted, ...rest }
}

const failing: ReadonlyArray<Scenario> = [
  faulty("a retry", "retried", { status: 200, calls: 1, wires: 2, events: ["breakwater.retry"] }),
  faulty("a failover", "failed-over", {
    status: 200,
    calls: 2,
    wires: 3,
    events: ["breakwater.retry", "breakwater.failover"]
  }),
  faulty("a failover of a stream", "failed-over", {
    status: 200,
    calls: 2,
    wires: 3,
    events: ["breakwater.failover", "breakwater.stream.first_chunk"]
  }, { stream: true }),
  faulty("nobody answers", "all-down", { status: 503, calls: 1, wires: 3 }),
  faulty("a refusal that is the caller's fault", "bad", { status: 400, calls: 1 }),
  faulty("a key that is not accepted", "rejected", {
    status: 200,
    calls: 2,
    events: ["breakwater.failover"]
  }),
  faulty("a pause of an hour", "resting", {
    status: 200,
    calls: 2,
    events: ["breakwater.cooldown.transition", "breakwater.failover"]
  }),
  faulty("a target in its pause", "resting-too", { status: 200, calls: 1, events: ["breakwater.skip"] }, {
    earlier: 1
  }),
  faulty("an upstream that is not there", "gone", { status: 200, calls: 2, events: ["breakwater.failover"] }),
  faulty("a reset before the head", "reset", { status: 200, calls: 1, wires: 2 }),
  faulty("an answer that is no answer", "nonsense", {
    status: 200,
    calls: 2,
    wires: 3,
    events: ["breakwater.failover"]
  }),
  faulty("no answer in time", "slow", { status: 200, calls: 2, events: ["breakwater.failover"] }),
  faulty("a filtered answer", "filtered", { status: 200, calls: 1 }),
  faulty("a stream that is cut", "cut", { status: 200, calls: 1 }, { stream: true }),
  faulty("a stream that falls silent", "stalled", { status: 200, calls: 1 }, { stream: true }),
  {
    name: "a stream that breaks after its usage",
    body: { model: "rich", messages: hello, stream: true, n: 2, user: "broken" },
    answer: rich,
    wanted: { status: 200, calls: 1 }
  },
  faulty("a stream that is taken up again", "resumed", {
    status: 200,
    calls: 2,
    events: ["breakwater.stream.resumption"]
  }, { stream: true }),
  faulty("a stream that is buffered", "buffered", { status: 200, calls: 3 }, { stream: true }),
  faulty("a circuit that opens", "tripping", {
    status: 200,
    calls: 2,
    events: ["breakwater.breaker.transition", "breakwater.failover"]
  }),
  faulty("an open circuit", "tripped", { status: 200, calls: 1, events: ["breakwater.breaker.rejected"] }, {
    earlier: 1
  }),
  faulty("nothing but an open circuit", "shut", { status: 503, calls: 0, events: ["breakwater.breaker.rejected"] }, {
    earlier: 2
  }),
  faulty("a deadline", "silent", { status: 504, calls: 1 }, { headers: { "x-request-timeout-ms": "200" } }),
  faulty("a caller who leaves before the answer", "leaving", { status: 0, calls: 1, cancelled: true }, {
    leaves: "once-asked"
  }),
  faulty("a caller who leaves a stream", "left", { status: 200, calls: 1, cancelled: true }, {
    stream: true,
    leaves: "at-first-piece"
  })
]

const none = (status: number): Wanted => ({ status, calls: 0 })

const refused: ReadonlyArray<Scenario> = [
  { name: "a model that nobody has", body: { model: "no-such", messages: hello }, wanted: none(404) },
  { name: "a body that is no JSON", body: "{\"model\":", wanted: none(400) },
  { name: "a body without messages", body: { model: "rich" }, wanted: none(400) },
  { name: "a wrong content type", body: "x", headers: { "content-type": "text/plain" }, wanted: none(415) },
  { name: "a path that is none", method: "GET", path: "/nowhere", wanted: none(404) },
  { name: "a wrong method", method: "GET", path: "/v1/chat/completions", wanted: none(405) },
  { name: "a method that the conventions do not know", method: "PURGE", path: "/nowhere", wanted: none(404) },
  { name: "the list of models", method: "GET", path: "/v1/models?key=secret", wanted: none(200) },
  { name: "one model", method: "GET", path: "/v1/models/simulated%2Fsim", wanted: none(200) },
  { name: "a model that is none", method: "GET", path: "/v1/models/no-such", wanted: none(404) },
  { name: "the health", method: "GET", path: "/api/v1/health", wanted: none(200) }
]

/** All of them. */
export const scenarios: ReadonlyArray<Scenario> = [...answered, ...embedded, ...failing, ...refused]

const ordered = (...targets: ReadonlyArray<string>) => ({
  targets: targets.map((target) => {
    const slash = target.indexOf("/")
    return { provider: target.slice(0, slash), model: target.slice(slash + 1) }
  })
})

/** The `models` section that they need. */
export const models = {
  rich: ordered("rich/gpt-rich"),
  sim: ordered("simulated/sim"),
  retried: ordered("faulty/503-once#retried"),
  "failed-over": ordered("faulty/503#failed-over", "well/ok#failed-over"),
  "all-down": ordered("faulty/503#all-down"),
  bad: ordered("faulty/400#bad", "well/ok#bad"),
  rejected: ordered("locked/401#rejected", "well/ok#rejected"),
  resting: ordered("faulty/429-hint:hour#resting", "well/ok#resting"),
  "resting-too": ordered("faulty/429-hint:hour#resting-too", "well/ok#resting-too"),
  gone: ordered("gone/any", "well/ok#gone"),
  reset: ordered("faulty/reset-before-headers-once#reset"),
  nonsense: ordered("faulty/html#nonsense", "well/ok#nonsense"),
  slow: { ...ordered("faulty/silence#slow", "well/ok#slow"), timeouts: { answer: "100ms" } },
  filtered: ordered("faulty/content-filter-answer#filtered"),
  cut: ordered("faulty/cut:40#cut"),
  stalled: { ...ordered("faulty/stall#stalled"), timeouts: { idle: "100ms" } },
  resumed: { ...ordered("faulty/cut:40#resumed", "well/ok#resumed"), stream: { onInterrupted: "resume" } },
  buffered: { ...ordered("faulty/cut:40#buffered", "well/ok#buffered"), stream: { onInterrupted: "buffer" } },
  tripping: ordered("brittle/503#tripping", "well/ok#tripping"),
  tripped: ordered("brittle/503#tripped", "well/ok#tripped"),
  shut: ordered("brittle/503#shut"),
  silent: ordered("faulty/silence#silent"),
  leaving: ordered("faulty/silence#leaving"),
  left: ordered("faulty/stall#left")
}
