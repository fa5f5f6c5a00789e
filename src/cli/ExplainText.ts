/** An explanation as people read it: the request, the limits, the rules, then one line a target. */
import type { Plan } from "../gateway/Plan.ts"
import { duration } from "../gateway/Plan.ts"
import { attemptsInAll, type RetrySettings, triesBeforeNext } from "../resilience/Retry.ts"
import { table } from "./Breakers.ts"

/** What is wrong, and where: `param` is the path in the request, `code` that of the error a caller would get. */
export interface ExplainProblem {
  readonly message: string
  readonly param: string | null
  readonly code: string | null
}

/** Everything `breakwater explain` knows; `--json` prints it as it is. */
export interface Explanation {
  /** The configuration file, or what stands in its place. */
  readonly source: string
  /** The server whose targets were judged; null = idle targets of the file. */
  readonly states: string | null
  readonly request: {
    readonly file: string
    readonly problem: ExplainProblem | undefined
    readonly model: string | undefined
    readonly stream: boolean
    readonly messages: number
  } | null
  readonly plan: Plan | null
  /** Why there is no plan. */
  readonly problem: ExplainProblem | null
  /** Of the draw of a weighted alias. */
  readonly seed: string | null
  readonly retry: RetrySettings
  readonly notes: ReadonlyArray<string>
}

const row = (name: string, text: string): string => `${name.padEnd(10)}${text}`

const problemText = ({ message, param }: ExplainProblem): string =>
  param === null ? message : `${message} (param: ${param})`

const requestText = (request: NonNullable<Explanation["request"]>): string =>
  request.problem === undefined
    ? `${request.file}: ok, ${request.stream ? "a stream" : "a whole answer"}, ${request.messages} message${
      request.messages === 1 ? "" : "s"
    }`
    : `${request.file}: refused. ${problemText(request.problem)}`

const limits = ({ timeouts }: Plan): ReadonlyArray<string> => [
  row("deadline", `${duration(timeouts.totalMs)} for everything, every attempt and wait included`),
  row(
    "timeouts",
    `${duration(timeouts.connectMs)} to connect, ${duration(timeouts.firstTokenMs)} to a stream's first content, ${
      duration(timeouts.idleMs)
    } between its events, ${duration(timeouts.answerMs)} to a whole answer`
  )
]

const times = (count: number): string => count === 1 ? "one retry" : `${count} retries`

/** Failover's caps, from its own constants. */
const retries = (retry: RetrySettings, { targets }: Plan): string =>
  [
    `at most ${retry.attempts} tries a target and ${attemptsInAll(retry.attempts)} in all`,
    ...(targets.length > 1 && retry.attempts > 1
      ? [
        `${times(Math.min(triesBeforeNext, retry.attempts) - 1)}, then the next target${
          retry.attempts > triesBeforeNext ? ", the rest in a second round" : ""
        }`
      ]
      : []),
    `waits of at most ${duration(retry.baseMs)} at first (${duration(retry.throttleBaseMs)} when throttled) and ${
      duration(retry.maxMs)
    } later`,
    `a budget of ${retry.budget} retries a target`
  ].join("; ")

/** By what a route says of a stream that breaks after its first content. */
const interrupted: { readonly [K in Plan["onInterrupted"]]: string } = {
  error: "a stream that breaks ends in an error (onInterrupted: error)",
  resume: "a stream that breaks is resumed where another answer agrees with it (onInterrupted: resume)",
  buffer: "a stream is held until it is whole (onInterrupted: buffer)"
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`

const targetTable = ({ strategy, targets }: Plan): string => {
  const isWeighted = strategy === "weighted"
  let at = 0
  return table([
    ["", "target", ...(isWeighted ? ["first for"] : []), "state", "in flight", "what happens"],
    ...targets.map((one) => [
      one.wouldAsk ? String(++at) : "-",
      one.target,
      ...(isWeighted ? [percent(one.share)] : []),
      one.state,
      one.limit === undefined ? String(one.inFlight) : `${one.inFlight}/${one.limit}`,
      one.why
    ])
  ])
}

const verdict = ({ retryAfterMs, wouldAsk }: Plan): ReadonlyArray<string> =>
  wouldAsk ? [] : [
    "",
    `Nobody would be asked: the caller gets a 503${
      retryAfterMs === undefined || retryAfterMs === 0 ? "" : ` with retry-after ${duration(retryAfterMs)}`
    }.`
  ]

const planText = (plan: Plan, { retry, seed, states }: Explanation): ReadonlyArray<string> => [
  row("model", `${plan.model}: ${plan.kind === "alias" ? `an alias, ${plan.strategy}` : "a provider's model"}`),
  ...limits(plan),
  row("retries", retries(retry, plan)),
  row("broken", interrupted[plan.onInterrupted]),
  row(
    "targets",
    states === null
      ? "idle, as just after the start (--url asks a running server)"
      : `as ${states} has them now; order and limits are the file's`
  ),
  ...(seed === null ? [] : [row("draw", `one of many, with seed ${seed} (--seed repeats it)`)]),
  "",
  targetTable(plan),
  ...verdict(plan)
]

/** The text of an explanation. */
export const render = (explanation: Explanation): string => {
  const { notes, plan, problem, request, source } = explanation
  return [
    row("config", source),
    ...(request === null ? [] : [row("request", requestText(request))]),
    ...(problem === null ? [] : [row("refused", problemText(problem))]),
    ...(plan === null ? [] : planText(plan, explanation)),
    ...notes.map((note) => row("note", note))
  ].join("\n")
}
