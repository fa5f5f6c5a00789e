/** Many processes' health as one: counts are added up, and of states the worst is shown. What is unreadable is left out. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Reply } from "../storage/Fleet.ts"
import { countsText } from "./Components.ts"
import type { ComponentHealth, Status } from "./Health.ts"
import { mergeTallies, shown as shownCounts, statisticsOf } from "./Monitoring.ts"
import { TallyParts } from "./Tally.ts"

/** How many decision records are shown. */
const recordsShown = 50

const StatusText = Schema.Literals(["pass", "warn", "fail"])
const Overall = Schema.Struct({
  status: StatusText,
  components: Schema.Array(Schema.Struct({
    component: Schema.String,
    status: StatusText,
    output: Schema.optional(Schema.String),
    observedValue: Schema.optional(Schema.Number),
    observedUnit: Schema.optional(Schema.String),
    counts: Schema.optional(Schema.Record(Schema.String, Schema.Number))
  }))
})
type Overall = { readonly status: Status; readonly components: ReadonlyArray<ComponentHealth> }

/** Best first. */
const states = ["closed", "forced-closed", "metrics-only", "half-open", "open", "forced-open"]

const TargetPart = Schema.StructWithRest(
  Schema.Struct({
    target: Schema.String,
    inFlight: Schema.Number,
    waiting: Schema.Number,
    limit: Schema.optional(Schema.Number),
    retryBudget: Schema.Number,
    cooldownMs: Schema.optional(Schema.Number),
    credentials: Schema.optional(Schema.Array(Schema.String)),
    lastError: Schema.optional(Schema.String),
    lastErrorAtMs: Schema.optional(Schema.Number),
    breaker: Schema.StructWithRest(
      Schema.Struct({
        state: Schema.String,
        failureRate: Schema.Number,
        slowRate: Schema.Number,
        callsInWindow: Schema.Number
      }),
      [Schema.Record(Schema.String, Schema.Unknown)]
    )
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)
type TargetPart = typeof TargetPart.Type

const Times = Schema.Struct({ at_ms: Schema.Number, duration_ms: Schema.optionalKey(Schema.Number) })

const Part = Schema.Struct({
  ...Overall.fields,
  now: Schema.Struct({ atMs: Schema.Number, inFlight: Schema.Number }),
  tally: TallyParts,
  targets: Schema.Array(TargetPart),
  recent: Schema.Array(Schema.Record(Schema.String, Schema.Unknown))
})

const decodeOverall = Schema.decodeUnknownOption(Overall)
const decodePart = Schema.decodeUnknownOption(Part)
const decodeChecks = Schema.decodeUnknownOption(
  Schema.Record(Schema.String, Schema.Array(Schema.Record(Schema.String, Schema.Unknown)))
)
const decodeTimes = Schema.decodeUnknownOption(Times)

const severity: Readonly<Record<Status, number>> = { pass: 0, warn: 1, fail: 2 }

const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

/** With the counts of all processes, in its output too. */
const counted = (shown: ComponentHealth, all: ReadonlyArray<ComponentHealth>): ComponentHealth => {
  if (shown.counts === undefined) return shown
  const counts = Object.fromEntries(
    Object.keys(shown.counts).map((word) => [word, sum(all.map((one) => one.counts?.[word] ?? 0))])
  )
  return { ...shown, counts, output: shown.output?.replace(countsText(shown.counts), countsText(counts)) }
}

/** The worst of each component, with that one's output and what all have counted, and the worst status of all. */
const worst = (parts: ReadonlyArray<Overall>): Overall => {
  const every = parts.flatMap((part) => part.components)
  const components = new Map<string, ComponentHealth>()
  for (const next of every) {
    const seen = components.get(next.component)
    const isWorse = seen === undefined || severity[next.status] > severity[seen.status]
      || (next.status === seen.status && (next.observedValue ?? 0) > (seen.observedValue ?? 0))
    if (isWorse) components.set(next.component, next)
  }
  const status = parts.reduce<Status>((seen, { status }) => severity[status] > severity[seen] ? status : seen, "pass")
  const shown = Array.from(
    components.values(),
    (one) => counted(one, every.filter(({ component }) => component === one.component))
  )
  return { status, components: shown }
}

/** The overall health of every process, this one among those that reply; its own where none does. */
export const mergeOverall = (own: Overall, replies: ReadonlyArray<Reply>): Overall => {
  const parts = replies.flatMap(({ body }) => Option.toArray(decodeOverall(body)))
  return worst(parts.length === 0 ? [own] : parts)
}

/** The worst that any process knows of each credential; all have the same ones. */
const worstCredentials = (parts: ReadonlyArray<TargetPart>): ReadonlyArray<string> | undefined =>
  parts[0]?.credentials?.map((own, at) => {
    const all = parts.map(({ credentials }) => credentials?.[at] ?? own)
    return all.find((state) => state.startsWith("dead")) ?? all.find((state) => state !== "usable") ?? own
  })

const latestError = (parts: ReadonlyArray<TargetPart>): string | undefined =>
  parts.toSorted((left, right) => (right.lastErrorAtMs ?? 0) - (left.lastErrorAtMs ?? 0))
    .find(({ lastError }) => lastError !== undefined)?.lastError

/** The worst breaker, with the calls of all and rates over all calls; rates without calls stay that breaker's own. */
const mergeTarget = (parts: readonly [TargetPart, ...Array<TargetPart>]): TargetPart => {
  const rank = ({ breaker }: TargetPart) => states.indexOf(breaker.state)
  const bad = parts.reduce((seen, part) => rank(part) > rank(seen) ? part : seen)
  const callsInWindow = sum(parts.map(({ breaker }) => breaker.callsInWindow))
  const rate = (of: "failureRate" | "slowRate") =>
    callsInWindow === 0
      ? bad.breaker[of]
      : sum(parts.map(({ breaker }) => breaker[of] * breaker.callsInWindow)) / callsInWindow
  return {
    ...bad,
    inFlight: sum(parts.map(({ inFlight }) => inFlight)),
    waiting: sum(parts.map(({ waiting }) => waiting)),
    retryBudget: sum(parts.map(({ retryBudget }) => retryBudget)),
    cooldownMs: Math.max(...parts.map(({ cooldownMs = 0 }) => cooldownMs)),
    credentials: worstCredentials(parts),
    lastError: latestError(parts),
    limit: parts.some(({ limit }) => limit === undefined) ? undefined : sum(parts.map(({ limit }) => limit ?? 0)),
    breaker: { ...bad.breaker, callsInWindow, failureRate: rate("failureRate"), slowRate: rate("slowRate") }
  }
}

const mergeTargets = (lists: ReadonlyArray<ReadonlyArray<TargetPart>>): ReadonlyArray<TargetPart> =>
  Array.from(
    Map.groupBy(lists.flat(), ({ target }) => target).values(),
    ([first, ...rest]) => first === undefined ? [] : [mergeTarget([first, ...rest])]
  ).flat()

/** Each record with the time of its end, or 0 where it does not say. */
const timed = (recent: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
  recent.map((record) => {
    const times = Option.getOrUndefined(decodeTimes(record))
    return { atMs: times === undefined ? 0 : times.at_ms + (times.duration_ms ?? 0), record }
  })

/** Every process's checks, each with the number of its process where there are more than one. */
export const mergeChecks = (
  own: Readonly<Record<string, unknown>>,
  replies: ReadonlyArray<Reply>
): Readonly<Record<string, unknown>> => {
  const parts = replies.flatMap(({ body, worker }) =>
    Option.toArray(Option.map(decodeChecks(body), (checks) => ({ worker, checks })))
  )
  if (parts.length < 2) return own
  const merged: Record<string, ReadonlyArray<unknown>> = {}
  for (const { checks, worker } of parts) {
    for (const [name, list] of Object.entries(checks)) {
      merged[name] = [...merged[name] ?? [], ...list.map((check) => ({ ...check, worker }))]
    }
  }
  return merged
}

const withoutTally = (body: unknown): object => {
  if (typeof body !== "object" || body === null) return {}
  const { tally: _, ...rest } = { tally: undefined, ...body }
  return rest
}

/** This process's view with the fleet's health, counts, targets and records, and each process's own under `workers`. */
export const mergeMonitoring = (
  own: Readonly<Record<string, unknown>>,
  replies: ReadonlyArray<Reply>
): Readonly<Record<string, unknown>> => {
  const parts = replies.flatMap(({ body, worker }) =>
    Option.toArray(Option.map(decodePart(body), (part) => ({ worker, part, body })))
  )
  if (parts.length < 2) return own
  const counts = mergeTallies(parts.map(({ part }) => part.tally))
  const statistics = statisticsOf(counts)
  const nowMs = Math.max(...parts.map(({ part }) => part.now.atMs))
  return {
    ...own,
    ...worst(parts.map(({ part }) => part)),
    totals: counts.totals,
    ...shownCounts(counts, nowMs, sum(parts.map(({ part }) => part.now.inFlight))),
    targets: mergeTargets(parts.map(({ part }) => part.targets))
      .map((target) => ({ ...target, ...statistics.get(target.target) })),
    recent: parts
      .flatMap(({ part, worker }) => timed(part.recent.map((record) => ({ worker, ...record }))))
      .toSorted((left, right) => right.atMs - left.atMs)
      .slice(0, recordsShown)
      .map(({ record }) => record),
    workers: parts.map(({ body, worker }) => ({ worker, ...withoutTally(body) }))
  }
}
