/** How a row of a list finds the models that it is about: by exact names, and by names that may have a version behind them. */

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

/** The row of a kind's model: an exact name first, then the longest name that has only a version behind it. */
export const findRow = <Row extends NamedRow>(
  rows: ReadonlyArray<Row>,
  kind: string,
  model: string
): Row | undefined => {
  let found: Row | undefined
  let length = 0
  for (const row of rows) {
    if (row.provider !== kind) continue
    if (row.ids.includes(model)) return row
    for (const name of row.versioned ?? []) {
      if (
        name.length > length && model.startsWith(name) && (model === name || version.test(model.slice(name.length)))
      ) {
        found = row
        length = name.length
      }
    }
  }
  return found
}
