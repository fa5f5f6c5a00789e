/**
 * What the gateway must make of each fault, as data: what the caller gets and how often the faulty target was asked. Rows
 * run with `limits`; the faulty target is the first of an ordered alias, and unless a row says otherwise the second is healthy.
 */
import { brokenAnswer, unicodeAnswer } from "./Answer.ts"

/** The settings the rows count on; everything else is the default. */
export const limits = {
  timeouts: { connect: "2s", firstToken: "2s", answer: "2s", idle: "2s", total: "30s" },
  retry: { attempts: 3, base: "5ms", throttleBase: "20ms", max: "5s" }
} as const

export interface Expectation {
  readonly status: number
  /**
   * `full`: the whole answer and a clean end. `filtered`: a clean end with finish_reason content_filter.
   * `partial-then-error`: a true beginning, one error event, neither finish_reason nor [DONE]. `none`: an error body.
   */
  readonly content: "full" | "none" | "partial-then-error" | "filtered"
  /** Attempts on the faulty target over all requests of the row. */
  readonly attempts: { readonly min: number; readonly max: number }
  readonly fallbackUsed: boolean
  readonly errorCode?: string
  /** Least pause between the first two attempts, in milliseconds. */
  readonly gapMs?: number
  /** The whole answer's text; default the canonical answer. */
  readonly says?: string
}

export interface FaultCase {
  readonly name: string
  /** The scenario of the faulty target, used as its model. */
  readonly scenario: string
  readonly stream: boolean
  /** The scenario of the second target; default `ok`, `none` when there is no second target. */
  readonly fallback?: string
  /** How many requests are made, one after the other; default 1. */
  readonly requests?: number
  /** Streams are resumed where they break; with `prefill` the second target is said to go on where another stopped. */
  readonly resumes?: "spliced" | "prefill"
  /** A stream is asked for its usage, which comes once where the answer is whole. */
  readonly includeUsage?: true
  /** Headers of each request. */
  readonly headers?: Record<string, string>
  /** Rows of the reliability page's fault table. */
  readonly faults: ReadonlyArray<number>
  readonly expect: Expectation
}

const exactly = (attempts: number) => ({ min: attempts, max: attempts })
const retried = { status: 200, content: "full", attempts: exactly(2), fallbackUsed: false } as const
const atOnce = { status: 200, content: "full", attempts: exactly(1), fallbackUsed: true } as const
const afterOneRetry = { status: 200, content: "full", attempts: exactly(2), fallbackUsed: true } as const
const soon = { status: 200, content: "full", attempts: { min: 1, max: 2 }, fallbackUsed: true } as const
const untouched = { status: 200, content: "full", attempts: exactly(1), fallbackUsed: false } as const
const interrupted = { status: 200, content: "partial-then-error", attempts: exactly(1), fallbackUsed: false } as const

/** The same row for a streamed and for a plain request. */
const both = (row: Omit<FaultCase, "stream">): ReadonlyArray<FaultCase> => [
  { ...row, name: `${row.name}, streamed`, stream: true },
  { ...row, name: `${row.name}, plain`, stream: false }
]

const streamed = (name: string, scenario: string, faults: ReadonlyArray<number>, expect: Expectation): FaultCase => ({
  name,
  scenario,
  stream: true,
  faults,
  expect
})

/** The same with usage asked for. */
const counted = (name: string, scenario: string, faults: ReadonlyArray<number>, expect: Expectation): FaultCase => ({
  ...streamed(name, scenario, faults, expect),
  includeUsage: true
})

const plain = (name: string, scenario: string, faults: ReadonlyArray<number>, expect: Expectation): FaultCase => ({
  name,
  scenario,
  stream: false,
  faults,
  expect
})

const rates: ReadonlyArray<FaultCase> = [
  ...both({
    name: "429 with a short Retry-After is waited out",
    scenario: "429-retry-after:1",
    faults: [37],
    expect: { ...retried, gapMs: 1000 }
  }),
  ...both({
    name: "a hint in milliseconds comes before one in seconds",
    scenario: "429-hint:ms-and-hour:1:50",
    faults: [39],
    expect: { ...retried, gapMs: 50 }
  }),
  ...both({ name: "lasting 429 without a header fails over", scenario: "429", faults: [38], expect: soon }),
  ...["hour", "huge", "far-date"].map((kind) =>
    streamed(`429 with the hint "${kind}" is not waited for`, `429-hint:${kind}`, [39], atOnce)
  ),
  {
    ...streamed("429 with a pause of an hour from the only target is not asked again", "429-hint:hour", [39], {
      status: 429,
      content: "none",
      attempts: exactly(1),
      fallbackUsed: false
    }),
    fallback: "none"
  },
  ...["negative", "nan", "empty", "past", "ms-negative", "ms-nan"].map((kind) =>
    streamed(`429 with the hint "${kind}" is 429 without one`, `429-hint:${kind}`, [39], soon)
  ),
  ...both({ name: "an exhausted quota is not tried again", scenario: "429-quota", faults: [40], expect: atOnce }),
  ...both({
    name: "a reached spend limit is not tried again, though no pause is given",
    scenario: "429-spend-limit",
    faults: [40],
    expect: atOnce
  }),
  {
    ...plain("a reached spend limit of the only target is not tried again", "429-spend-limit", [40], {
      status: 429,
      content: "none",
      attempts: exactly(1),
      fallbackUsed: false
    }),
    fallback: "none"
  },
  ...both({
    name: "a request that is too large for the limit goes elsewhere",
    scenario: "429-too-large",
    faults: [39],
    expect: soon
  }),
  {
    ...plain("429 from every target reaches the caller", "429", [38, 47], {
      status: 429,
      content: "none",
      attempts: { min: 1, max: 3 },
      fallbackUsed: true
    }),
    fallback: "429"
  }
]

const outages: ReadonlyArray<FaultCase> = [
  ...both({ name: "one 500 is tried again", scenario: "500-once", faults: [42], expect: retried }),
  ...both({ name: "lasting 503 fails over", scenario: "503", faults: [42], expect: afterOneRetry }),
  ...both({ name: "lasting 529 fails over", scenario: "529", faults: [42], expect: afterOneRetry }),
  {
    ...plain("503 from every target reaches the caller after a second round", "503", [42, 47], {
      status: 503,
      content: "none",
      attempts: exactly(3),
      fallbackUsed: true
    }),
    fallback: "503"
  },
  {
    ...streamed("503 from the only target is tried three times", "503", [42, 47], {
      status: 503,
      content: "none",
      attempts: exactly(3),
      fallbackUsed: false
    }),
    fallback: "none"
  },
  ...both({ name: "one 503 is tried again", scenario: "503-once", faults: [42], expect: retried }),
  ...[520, 524, 530].map((status) =>
    streamed(`a lasting ${status} of the edge fails over`, `status:${status}`, [42], afterOneRetry)
  ),
  ...both({ name: "a proxy's page with 502 fails over", scenario: "html:502", faults: [63], expect: soon }),
  ...both({
    name: "a proxy's page with 407 fails over",
    scenario: "html:407",
    faults: [63],
    expect: soon
  }),
  ...both({
    name: "a flapping target never reaches the caller",
    scenario: "flapping:3:3",
    requests: 12,
    faults: [45],
    expect: { status: 200, content: "full", attempts: { min: 3, max: 24 }, fallbackUsed: true }
  }),
  ...both({ name: "a rejected credential is not tried again", scenario: "401", faults: [58], expect: atOnce }),
  ...both({ name: "a missing model is not tried again", scenario: "404", faults: [], expect: atOnce }),
  {
    ...plain("a dead credential of ours is not the caller's 401", "401", [58], {
      status: 502,
      content: "none",
      attempts: exactly(1),
      fallbackUsed: false
    }),
    fallback: "none"
  }
]

const connections: ReadonlyArray<FaultCase> = [
  ...both({
    name: "one reset before headers is tried again",
    scenario: "reset-before-headers-once",
    faults: [10],
    expect: retried
  }),
  ...both({
    name: "lasting resets fail over",
    scenario: "reset-before-headers",
    faults: [10],
    expect: { ...afterOneRetry, attempts: { min: 2, max: 3 } }
  }),
  ...both({
    name: "a reset inside the headers fails over",
    scenario: "reset-mid-headers",
    faults: [12],
    expect: afterOneRetry
  }),
  ...both({
    name: "a reset on a reused socket costs nothing",
    scenario: "reset-on-reuse",
    requests: 2,
    faults: [11],
    expect: { ...untouched, attempts: { min: 2, max: 3 } }
  }),
  ...both({ name: "a silent target is asked once", scenario: "silence", faults: [5], expect: atOnce }),
  ...both({ name: "dripping headers count as silence", scenario: "slow-headers:500", faults: [6], expect: atOnce }),
  ...both({
    name: "headers and then silence is silence",
    scenario: "headers-then-silence",
    faults: [7],
    expect: atOnce
  }),
  ...both({ name: "a slow first token fails over", scenario: "slow-first:20000", faults: [7], expect: atOnce }),
  {
    ...streamed("a slow first token from the only target is waited for", "slow-first:3000", [7], untouched),
    fallback: "none"
  },
  ...both({
    name: "an answer ended by FIN alone is an answer",
    scenario: "close-delimited",
    faults: [],
    expect: untouched
  }),
  ...both({
    name: "a target that stops reading still answers",
    scenario: "half-close",
    faults: [17],
    expect: untouched
  }),
  ...both({ name: "early hints are passed over", scenario: "early-hints", faults: [56], expect: untouched }),
  ...both({ name: "a redirect is not followed", scenario: "302", faults: [56], expect: soon }),
  ...both({ name: "no content is no answer", scenario: "204", faults: [56], expect: soon }),
  ...both({ name: "bytes that are not HTTP fail over", scenario: "garbage", faults: [24], expect: soon }),
  ...both({ name: "headers beyond reason fail over", scenario: "huge-headers", faults: [55], expect: soon }),
  ...both({ name: "ten thousand headers fail over", scenario: "many-headers", faults: [55], expect: soon }),
  ...both({ name: "a gzip bomb fails over", scenario: "gzip-bomb:8", faults: [55], expect: soon }),
  ...both({
    name: "FIN before headers fails over",
    scenario: "fin-before-headers",
    faults: [10],
    expect: afterOneRetry
  }),
  ...both({
    name: "a promise to keep the connection that is broken at once costs nothing",
    scenario: "close-idle",
    requests: 2,
    faults: [11],
    expect: { ...untouched, attempts: { min: 2, max: 3 } }
  }),
  ...both({ name: "a slow answer fails over", scenario: "slow-answer:20000", faults: [7], expect: atOnce }),
  ...both({ name: "gzip that is none fails over", scenario: "gzip-mismatch", faults: [55], expect: soon }),
  ...both({ name: "an HTML page fails over", scenario: "html:200", faults: [34], expect: soon })
]

const streams: ReadonlyArray<FaultCase> = [
  streamed("a reset after the role alone fails over", "role-only-reset", [13], soon),
  streamed("a role and then silence fails over", "role-then-silence", [7], atOnce),
  streamed("comments do not count as a first token", "comments-only:200", [9], atOnce),
  streamed("deltas without content do not count as a first token", "empty-deltas:200", [7], atOnce),
  streamed("a cut stream ends in an error", "cut:40", [14], interrupted),
  streamed("a FIN without terminator ends in an error", "fin-cut:40", [15], interrupted),
  streamed("a clean end without finish_reason ends in an error", "clean-cut:40", [16], interrupted),
  streamed("a stalled stream ends in an error", "stall:20", [18], interrupted),
  streamed("comments do not keep a stalled stream alive", "stall-comments:20:200", [9, 18], interrupted),
  streamed("a cut inside tool arguments ends in an error", "tool-cut:4", [14], interrupted),
  streamed("an error event after tokens ends in an error", "error-after:20", [31], interrupted),
  streamed("a FIN short of the promised length ends in an error or is whole", "content-length-short", [15], {
    ...untouched,
    fallbackUsed: false
  }),
  streamed("a [DONE] without finish_reason ends in an error", "done-cut:40", [16], interrupted),
  ...["rst", "fin", "clean"].map((how) =>
    streamed(`a cut inside an event (${how}) ends in an error`, `cut-bytes:3000:${how}`, [14, 15, 16], interrupted)
  ),
  streamed("a drip slower than the idle limit ends in an error", "drip:5000", [8], interrupted),
  {
    ...streamed("a drip that outlasts the caller's deadline ends in an error", "drip:400", [8], interrupted),
    headers: { "x-request-timeout-ms": "2500" }
  },
  ...["anthropic", "coded", "response-failed"].map((kind) =>
    streamed(`an error event after tokens (${kind}) ends in an error`, `error-after:20:${kind}`, [31, 32], interrupted)
  ),
  ...["openai", "anthropic", "bare", "coded", "response-failed"].map((kind) =>
    streamed(`an error as first event (${kind}) fails over`, `error-first:${kind}`, [30, 32], soon)
  ),
  streamed("a JSON error in a 200 fails over", "json-error-200", [33], soon),
  streamed("an empty stream fails over", "empty-stream", [36], soon),
  streamed("a stream that stays open after its end is whole", "never-ending", [19], untouched),
  streamed("a stream that stays open after [DONE] is whole", "done-then-open", [19], untouched),
  streamed("noise between two events is skipped or an error", "garbage-body", [24], untouched),
  streamed("bytes that are no UTF-8 become what stands for such", "invalid-utf8", [24], {
    ...untouched,
    says: brokenAnswer
  }),
  streamed("an answer that stops without a word fails over", "empty-content", [36], soon),
  streamed("events that are no chunks fail over", "wrong-shape", [36], soon),
  counted("a missing [DONE] is supplied", "no-done", [20], untouched),
  counted("what follows [DONE] is dropped", "done-then-more", [21], untouched),
  counted("a doubled end is one end", "duplicate-end", [22], untouched),
  streamed("one malformed event is skipped", "malformed:1", [23], untouched),
  streamed("three malformed events are an error", "malformed:3", [23], interrupted),
  streamed("an event of two MiB is an error", "big-line:2097152", [29], interrupted),
  streamed("an event of ten MiB over many lines is an error", "big-event:10485760", [29], interrupted)
]

const framings: ReadonlyArray<FaultCase> = [
  streamed("characters split across chunks arrive whole", "utf8-split", [25], { ...untouched, says: unicodeAnswer }),
  ...([
    ["byte-by-byte", 26],
    ["one-write", 26],
    ["crlf", 27],
    ["cr", 27],
    ["mixed-ends", 27],
    ["bom", 27],
    ["multi-line", 28],
    ["no-space", 28],
    ["fields", 28],
    ["comments-then-ok:3:10", 9]
  ] as const).map(([scenario, fault]) => streamed(`framing "${scenario}" is read`, scenario, [fault], untouched)),
  ...both({ name: "gzip that nobody asked for fails over", scenario: "gzip", faults: [55], expect: soon }),
  ...both({ name: "an answer as text/plain is read", scenario: "wrong-content-type", faults: [57], expect: untouched })
]

const bodies: ReadonlyArray<FaultCase> = [
  plain("a cut JSON body is tried again, then fails over", "cut:40", [14, 35], afterOneRetry),
  plain("a cleanly truncated JSON body is tried again, then fails over", "truncated-json", [35], afterOneRetry),
  plain("malformed JSON is tried again, then fails over", "malformed-json", [35], afterOneRetry),
  plain("JSON that is no completion is tried again, then fails over", "wrong-shape", [36], afterOneRetry),
  plain("an answer without a word is tried again, then fails over", "empty-content", [36], afterOneRetry),
  plain("an error as the body of a 200 fails over", "json-error-200", [33], soon),
  plain("a body shorter than its length is tried again, then fails over", "content-length-short", [15], afterOneRetry),
  plain("a body that outlasts the answer limit fails over", "drip:5000", [8], atOnce),
  plain("an answer without choices is tried again, then fails over", "empty-choices", [36], afterOneRetry)
]

const refusal = { status: 400, content: "none", attempts: exactly(1), fallbackUsed: false } as const

const refusals: ReadonlyArray<FaultCase> = [
  ...both({
    name: "too long a context is the caller's to mend",
    scenario: "context-length",
    faults: [48],
    expect: { ...refusal, errorCode: "context_length_exceeded" }
  }),
  ...both({
    name: "a filtered prompt is not carried elsewhere",
    scenario: "content-filter",
    faults: [48],
    expect: { ...refusal, errorCode: "content_filter" }
  }),
  ...both({
    name: "a filtered answer is an answer",
    scenario: "content-filter-answer",
    faults: [48],
    expect: { ...untouched, content: "filtered" }
  }),
  ...both({ name: "a bad request is not tried again", scenario: "400", faults: [50], expect: refusal })
]

const resumed = (name: string, scenario: string, faults: ReadonlyArray<number>): FaultCase => ({
  ...streamed(`with resume, ${name}`, scenario, faults, atOnce),
  resumes: "spliced"
})

const resumptions: ReadonlyArray<FaultCase> = [
  resumed("a cut stream is whole", "cut:40", [14]),
  resumed("a FIN without terminator is made whole", "fin-cut:40", [15]),
  resumed("a clean end without finish_reason is made whole", "clean-cut:40", [16]),
  resumed("a stalled stream is whole", "stall:20", [18]),
  {
    ...resumed("a target that knows no prefill is not sent one", "cut:40", [49]),
    fallback: "no-prefill"
  },
  {
    ...resumed("a target that refuses a prefill does not hide that the stream was cut", "cut:40", [49]),
    resumes: "prefill",
    fallback: "no-prefill",
    expect: { ...interrupted, fallbackUsed: true, errorCode: "stream_interrupted" }
  }
]

/** What the gateway keeps to. */
export const cases: ReadonlyArray<FaultCase> = [
  ...rates,
  ...outages,
  ...connections,
  ...streams,
  ...framings,
  ...bodies,
  ...refusals,
  ...resumptions
]
