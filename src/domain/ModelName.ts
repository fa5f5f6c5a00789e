/** How a row of a list finds the models that it is about: by exact names, and by names that may have a version behind them. */

/** Names of an operator's own, and the models that they are: a provider has as many as its operator says. */
export interface OwnNames {
  /** By the name under which the provider is asked. */
  readonly deployments?: Readonly<Record<string, string>> | undefined
}

/** The name by which lists know a provider's model; undefined where it is an operator's own that is said of none. */
export const saidOf = ({ deployments }: OwnNames, model: string): string | undefined =>
  deployments !== undefined && Object.hasOwn(deployments, model) ? deployments[model] : undefined

export interface NamedRow {
  /** The kind of the provider. */
  readonly provider: string
  /** Exact names. */
  readonly ids: ReadonlyArray<string>
  /** Names that may have a version's suffix: a date, a number of three or four digits, or `latest`. */
  readonly versioned?: ReadonlyArray<string>
}

/** What a version adds to a name: `-2026-03-05`, `-20260305`, `@20260305`, `-0905`, `-001`, `-05-20`, `-latest`. */
const version = /^[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{2}-\d{2}|\d{3,4}|latest)$/

/** The rows of one kind. */
interface Index<Row> {
  readonly exact: Map<string, Row>
  /** The longest name first. */
  readonly versioned: Array<readonly [name: string, row: Row]>
}

const indexed = <Row extends NamedRow>(rows: ReadonlyArray<Row>): ReadonlyMap<string, Index<Row>> => {
  const kinds = new Map<string, Index<Row>>()
  for (const row of rows) {
    const index: Index<Row> = kinds.get(row.provider) ?? { exact: new Map(), versioned: [] }
    kinds.set(row.provider, index)
    for (const name of row.ids) if (!index.exact.has(name)) index.exact.set(name, row)
    for (const name of row.versioned ?? []) index.versioned.push([name, row])
  }
  for (const { versioned } of kinds.values()) versioned.sort(([left], [right]) => right.length - left.length)
  return kinds
}

/** Finds the row of a kind's model among these: an exact name first, then the longest name that has only a version behind it. */
export const finder = <Row extends NamedRow>(rows: ReadonlyArray<Row>) => {
  const kinds = indexed(rows)
  return (kind: string, model: string): Row | undefined => {
    const index = kinds.get(kind)
    if (index === undefined) return undefined
    return index.exact.get(model) ??
      index.versioned.find(([name]) =>
        model.startsWith(name) && (model.length === name.length || version.test(model.slice(name.length)))
      )?.[1]
  }
}
