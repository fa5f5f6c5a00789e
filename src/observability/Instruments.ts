/**
 * Counters, gauges and histograms as plain numbers: an update is an addition, and nothing is built per request. Whoever counts
 * binds its labels once (`Family.of`) and keeps what it gets. Read as Prometheus text (`Prometheus.ts`) and over OTLP (`OtlpMetrics.ts`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** What an instrument is, whatever its labels are. */
export interface Definition {
  /** With dots, as OpenTelemetry names it; `/metrics` shows what a collector would make of it. */
  readonly name: string
  readonly kind: "counter" | "gauge" | "histogram"
  /** In UCUM: `s`, `By`, `{token}` …; empty = none. */
  readonly unit: string
  readonly description: string
  /** Names of its labels, whose values are from closed sets only: never a user's text, key or id. */
  readonly labels: ReadonlyArray<string>
  /** Upper bounds of a histogram's buckets, ascending. */
  readonly bounds?: ReadonlyArray<number>
  /** What the gauges of several processes are together. Default the highest. */
  readonly together?: "highest" | "sum"
}

/** Only grows. */
export class Counter {
  value = 0
  add(amount: number): void {
    this.value += amount
  }
}

/** The last value that was set. */
export class Gauge {
  value = 0
  set(value: number): void {
    this.value = value
  }
}

/** How many values fell between each two bounds. */
export class Histogram {
  readonly bounds: ReadonlyArray<number>
  /** One for each bound, and one for what is above the last; not cumulated. */
  readonly counts: Array<number>
  sum = 0
  count = 0
  constructor(bounds: ReadonlyArray<number>) {
    this.bounds = bounds
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }
  observe(value: number): void {
    const { bounds } = this
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? 0)) at++
    this.counts[at] = (this.counts[at] ?? 0) + 1
    this.sum += value
    this.count++
  }
}

export type Instrument = Counter | Gauge | Histogram

/** An instrument with its labels, of which those without a value are left out. */
export interface Series<A extends Instrument = Instrument> {
  readonly labels: ReadonlyArray<readonly [name: string, value: string]>
  readonly instrument: A
}

/** A histogram in which nothing is: bound for the case that it is needed, and nothing to show. */
export const isUnused = ({ instrument }: Series): boolean => instrument instanceof Histogram && instrument.count === 0

/** Label values in the order of the definition; an absent one is left out. */
export type LabelValues = ReadonlyArray<string | undefined>

/** Series of one definition beyond this are counted together, as OpenTelemetry's SDKs do it. */
const mostSeries = 2000
const overflow = [["otel.metric.overflow", "true"]] as const

/** All series of one definition. */
export class Family<A extends Instrument = Instrument> {
  readonly definition: Definition
  readonly series = new Map<string, Series<A>>()
  readonly #make: () => A
  constructor(definition: Definition, make: () => A) {
    this.definition = definition
    this.#make = make
  }
  /** The instrument with these label values; made when it is first asked for. Keep it where updates are frequent. */
  of(...values: LabelValues): A {
    const key = values.join("\u0000")
    const found = this.series.get(key)
    if (found !== undefined) return found.instrument
    if (this.series.size >= mostSeries) return this.#add("overflow", overflow)
    const named = this.definition.labels.flatMap((name, at) => {
      const value = values[at]
      return value === undefined ? [] : [[name, value] as const]
    })
    return this.#add(key, named)
  }
  #add(key: string, labels: Series["labels"]): A {
    const known = this.series.get(key)
    if (known !== undefined) return known.instrument
    const instrument = this.#make()
    this.series.set(key, { labels, instrument })
    return instrument
  }
}

/** The instruments of a process. */
export class Instruments {
  readonly #families = new Map<string, Family>()
  readonly #observers = new Set<() => void>()

  counter(definition: Definition & { readonly kind: "counter" }): Family<Counter> {
    return this.#family(definition, () => new Counter())
  }
  gauge(definition: Definition & { readonly kind: "gauge" }): Family<Gauge> {
    return this.#family(definition, () => new Gauge())
  }
  histogram(definition: Definition & { readonly kind: "histogram" }): Family<Histogram> {
    const bounds = definition.bounds ?? []
    return this.#family(definition, () => new Histogram(bounds))
  }
  #family<A extends Instrument>(definition: Definition, make: () => A): Family<A> {
    const found = this.#families.get(definition.name)
    // A definition is a constant with one kind, and its name is its own.
    if (found !== undefined) return found as Family<A>
    const family = new Family<A>(definition, make)
    this.#families.set(definition.name, family)
    return family
  }

  /** Runs before each reading, for gauges that would be set in vain all the time, until the scope closes. */
  readonly observe = (observer: () => void): Effect.Effect<void, never, Scope.Scope> =>
    Effect.asVoid(Effect.acquireRelease(
      Effect.sync(() => this.#observers.add(observer)),
      () => Effect.sync(() => this.#observers.delete(observer))
    ))

  /** Every family as it is now, in the order in which they were first asked for. */
  read(): ReadonlyArray<Family> {
    for (const observer of this.#observers) observer()
    return [...this.#families.values()]
  }
}

const ofProcess = new Instruments()

/** Where this process counts. Provide an own one to keep two gateways in one process apart. */
export const CurrentInstruments = Context.Reference<Instruments>("breakwater/observability/Instruments/Current", {
  defaultValue: () => ofProcess
})
