/** The components of health that the gateway itself has beside its targets: where traces go, where requests are written, the loop. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { LedgerStatus } from "../accounting/Ledger.ts"
import { Shedding } from "../admission/Shedding.ts"
import { type ComponentHealth, countsText, Health } from "../gateway/Health.ts"
import * as Catalogue from "../observability/Catalogue.ts"
import { Exporter } from "../observability/Export.ts"
import type { ExportState } from "../observability/ExportQueue.ts"
import { CurrentInstruments } from "../observability/Instruments.ts"
import * as Tracing from "../observability/Tracing.ts"
import { RedisStatus } from "../storage/RedisStatus.ts"
import { ServerOptions, type ServerSettings } from "./ServerSettings.ts"

const unknown: ExportState = { queued: 0, exported: 0, dropped: 0, failure: undefined }

/** One that counts: what it is, what it has counted, and what is wrong with it. */
const counting = (
  component: string,
  isWell: boolean,
  what: string,
  counts: Readonly<Record<string, number>>,
  why: string | undefined
): ComponentHealth => ({
  component,
  status: isWell ? "pass" : "warn",
  output: `${what}: ${countsText(counts)}${why === undefined ? "" : `; ${why}`}`,
  counts
})

const described = (destination: string, { dropped, exported, failure, queued }: ExportState): ComponentHealth =>
  counting(
    "telemetry",
    failure === undefined,
    `traces go to ${destination}`,
    { "spans exported": exported, waiting: queued, dropped },
    failure
  )

/** Where traces go is a component of its own, there only when it is set; an exporter that fails harms no answer, so it warns. */
const telemetry = Effect.gen(function*() {
  const destination = yield* Tracing.Destination
  const exporter = yield* Exporter
  return (): ReadonlyArray<ComponentHealth> =>
    destination === undefined ? [] : [described(destination, exporter?.() ?? unknown)]
})

/** Late only as far as fewer requests are taken for it: a single pause, such as a collector's, is no illness. */
const eventLoop = ({ shedding }: ServerSettings, { seen }: Shedding["Service"]): ComponentHealth => {
  const { lagMs, limit } = seen()
  const observed = { component: "event-loop", observedValue: Math.round(lagMs), observedUnit: "ms" }
  return limit < shedding.inFlight
    ? { ...observed, status: "warn", output: `late by ${Math.round(lagMs)} ms, so at most ${limit} requests are taken` }
    : { ...observed, status: "pass" }
}

/** Where requests are written down; in memory it cannot fail. A store that is away harms no answer, so it warns. */
const storage = Effect.map(Effect.serviceOption(LedgerStatus), (status) => (): ReadonlyArray<ComponentHealth> => {
  const ledger = Option.getOrUndefined(status)?.read()
  if (ledger === undefined || ledger.kind === "memory") return []
  const { dropped, kind, lastError, pending, state, written } = ledger
  return [counting("storage", state === "ok", kind, { written, waiting: pending, dropped }, lastError)]
})

/** Where limits and budgets are counted, if that is a Redis. Without it requests go on as the operator has said, so it warns. */
const redis = Effect.map(RedisStatus, (read) => (): ReadonlyArray<ComponentHealth> => {
  const state = read?.()
  if (state === undefined) return []
  const counts = { "commands failed": state.failures, "times away": state.losses }
  const output = countsText(counts)
  return state.isAway
    ? [{
      component: "redis",
      status: "warn",
      output: `away: ${state.why ?? "it was not reached yet"}; ${output}`,
      counts
    }]
    : [{ component: "redis", status: "pass", output, counts }]
})

/** How the writing of the ledger goes; without a database there is nothing that could be late or lost. */
const showLedger = Effect.gen(function*() {
  const instruments = yield* CurrentInstruments
  const status = Option.getOrUndefined(yield* Effect.serviceOption(LedgerStatus))
  if (status === undefined || status.read().kind === "memory") return
  const entries = instruments.counter(Catalogue.ledgerEntries)
  const [kept, lost] = [entries.of("written"), entries.of("dropped")]
  const waiting = instruments.gauge(Catalogue.ledgerQueue).of()
  let told = { written: 0, dropped: 0 }
  yield* instruments.observe(() => {
    const { dropped, pending, written } = status.read()
    kept.add(written - told.written)
    lost.add(dropped - told.dropped)
    told = { written, dropped }
    waiting.set(pending)
  })
})

/** Whether Redis is there; without one there is nothing to tell. */
const showRedis = Effect.gen(function*() {
  const instruments = yield* CurrentInstruments
  const read = yield* RedisStatus
  if (read === undefined) return
  const away = instruments.gauge(Catalogue.redisAway).of()
  const failed = instruments.counter(Catalogue.redisFailures).of()
  let told = 0
  yield* instruments.observe(() => {
    const { failures, isAway } = read()
    away.set(isAway ? 1 : 0)
    failed.add(failures - told)
    told = failures
  })
})

/** What the door knows about itself takes part in health, and in the metrics where nothing else counts it. */
export const includeDoor = Effect.gen(function*() {
  const health = yield* Health
  const settings = yield* ServerOptions
  const shedding = yield* Shedding
  const exporter = yield* telemetry
  const store = yield* storage
  const shared = yield* redis
  yield* showLedger
  yield* showRedis
  health.include({
    components: () => [...exporter(), ...store(), ...shared(), eventLoop(settings, shedding)],
    inFlight: () => shedding.seen().inFlight
  })
})
