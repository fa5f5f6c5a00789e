/** As much of PromQL as tells which metrics and labels a query needs: it is read, not run. */

/** One selector: its metric, and the labels that it matches with what they must be, where that is a plain text. */
export interface Selector {
  readonly metric: string
  readonly labels: ReadonlyArray<{ readonly name: string; readonly equals: string | undefined }>
}

const words = new Set([
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "and",
  "or",
  "unless",
  "bool",
  "offset"
])

const matchers = (text: string): Selector["labels"] =>
  Array.from(text.matchAll(/(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"/g), ([, name = "", operator, value]) => ({
    name,
    equals: operator === "=" ? value : undefined
  }))

/** The selectors of a query, and the labels that it groups by. */
export const read = (
  query: string
): { readonly selectors: ReadonlyArray<Selector>; readonly grouped: ReadonlyArray<string> } => {
  const grouped: Array<string> = []
  const bare = query.replace(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g, (_, list: string) => {
    grouped.push(...list.split(",").map((name) => name.trim()).filter((name) => name !== ""))
    return " "
  }).replace(/\[[^\]]*\]/g, "")
  const selectors = Array.from(
    bare.matchAll(/([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?/g),
    ([, metric = "", after = ""]) => ({
      metric,
      after
    })
  )
    .filter(({ after, metric }) => after !== "(" && !words.has(metric))
    .map(({ after, metric }) => ({ metric, labels: matchers(after) }))
  return { selectors, grouped }
}

/** The series of a Prometheus text: by metric, the labels of each with their values. */
export const series = (text: string): ReadonlyMap<string, ReadonlyArray<Readonly<Record<string, string>>>> => {
  const found = new Map<string, Array<Readonly<Record<string, string>>>>()
  for (const line of text.split("\n")) {
    const [, metric = "", labels = ""] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/.exec(line) ?? []
    if (metric === "") continue
    const own = Array.from(
      labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g),
      ([, name = "", value = ""]) => [name, value] as const
    )
    found.set(metric, [...found.get(metric) ?? [], Object.fromEntries(own)])
  }
  return found
}
