/**
 * Every metric of the process as Prometheus text, under the names a collector would give them: dots become underscores, the unit
 * and `_total` are added. What does not change about a series is made once and kept, for a page has thousands of lines.
 */
import { catalogue } from "./Catalogue.ts"
import {
  type Definition,
  type Family,
  Histogram,
  type Instrument,
  type Instruments,
  isUnused,
  type Series
} from "./Instruments.ts"

/** Units that a collector spells out; what is in braces or empty adds nothing. */
const unitWords: Readonly<Record<string, string>> = { s: "seconds", ms: "milliseconds", By: "bytes" }

/** The name on the page. */
export const nameOf = ({ kind, name, unit }: Definition): string => {
  const flat = name.replace(/[^a-zA-Z0-9_:]/g, "_")
  const word = unitWords[unit]
  const measured = word === undefined || flat.endsWith(`_${word}`) ? flat : `${flat}_${word}`
  return kind !== "counter" || measured.endsWith("_total") ? measured : `${measured}_total`
}

/** A label's name on the page. */
export const labelName = (name: string): string => name.replace(/[^a-zA-Z0-9_]/g, "_")

const escape = (value: string): string => value.replace(/\\/g, "\\\\").replace(/"/g, "\\\"").replace(/\n/g, "\\n")

const labelsText = (labels: Series["labels"], more = ""): string => {
  const own = labels.map(([key, value]) => `${labelName(key)}="${escape(value)}"`)
  const all = more === "" ? own : [...own, more]
  return all.length === 0 ? "" : `{${all.join(",")}}`
}

/** The beginnings of a series' lines: one, or of a histogram its buckets, sum and count. */
const beginningsOf = (name: string, { instrument, labels }: Series): ReadonlyArray<string> => {
  if (!(instrument instanceof Histogram)) return [`${name}${labelsText(labels)} `]
  const own = labelsText(labels)
  return [
    ...[...instrument.bounds.map(String), "+Inf"].map((bound) =>
      `${name}_bucket${labelsText(labels, `le="${bound}"`)} `
    ),
    `${name}_sum${own} `,
    `${name}_count${own} `
  ]
}

const kept = new WeakMap<Instrument, ReadonlyArray<string>>()

const linesOf = (name: string, series: Series): string => {
  const { instrument } = series
  let beginnings = kept.get(instrument)
  if (beginnings === undefined) kept.set(instrument, beginnings = beginningsOf(name, series))
  if (!(instrument instanceof Histogram)) return `${beginnings[0]}${instrument.value}\n`
  const { count, counts, sum } = instrument
  let out = ""
  let within = 0
  for (let at = 0; at < counts.length; at++) {
    within += counts[at] ?? 0
    out += `${beginnings[at]}${within}\n`
  }
  return `${out}${beginnings[counts.length]}${sum}\n${beginnings[counts.length + 1]}${count}\n`
}

const familyText = ({ definition, series }: Family): string => {
  const name = nameOf(definition)
  let out = ""
  for (const one of series.values()) if (!isUnused(one)) out += linesOf(name, one)
  return out === "" ? "" : `# HELP ${name} ${definition.description}\n# TYPE ${name} ${definition.kind}\n${out}`
}

/** The text of this moment; what has nothing in it is left out. */
export const render = (instruments: Instruments): string => instruments.read().map(familyText).join("")

interface Page {
  /** Its HELP and TYPE. */
  readonly head: Set<string>
  readonly samples: Map<string, number>
}

const summed: ReadonlySet<string> = new Set(catalogue.filter(({ together }) => together === "sum").map(nameOf))

/**
 * Texts of several processes as one: counters and histograms are added up, and so are gauges that say so; of other gauges the
 * highest value counts. Reads only what `render` writes.
 */
export const merge = (texts: ReadonlyArray<string>): string => {
  const families = new Map<string, Page>()
  for (const text of texts) {
    let family: Page = { head: new Set(), samples: new Map() }
    let isHighest = false
    for (const line of text.split("\n")) {
      if (line.startsWith("# ")) {
        const [, , name = "", type] = line.split(" ")
        family = families.get(name) ?? { head: new Set(), samples: new Map() }
        families.set(name, family)
        family.head.add(line)
        isHighest = type === "gauge" && !summed.has(name)
      } else if (line !== "") {
        const at = line.lastIndexOf(" ")
        const value = Number(line.slice(at + 1))
        const before = family.samples.get(line.slice(0, at))
        const both = before === undefined ? value : isHighest ? Math.max(before, value) : before + value
        family.samples.set(line.slice(0, at), both)
      }
    }
  }
  return [...families.values()].flatMap(({ head, samples }) => [
    ...head,
    ...Array.from(samples, ([sample, value]) => `${sample} ${value}`)
  ]).map((line) => `${line}\n`).join("")
}

/** A page without its gauges: what stays true of a process that is gone. */
export const countsOf = (text: string): string => {
  let out = ""
  let head = ""
  let isGauge = false
  for (const line of text.split("\n")) {
    if (line.startsWith("# HELP ")) head = `${line}\n`
    else if (line.startsWith("# TYPE ")) {
      isGauge = line.endsWith(" gauge")
      if (!isGauge) out += `${head}${line}\n`
      head = ""
    } else if (!isGauge && line !== "") out += `${line}\n`
  }
  return out
}

/** Content type of the text. */
export const contentType = "text/plain; version=0.0.4; charset=utf-8"
