/** The nearest known word to a misspelt one, by edit distance (a swap of neighbours counts once). */

const distance = (left: string, right: string): number => {
  const rows = Array.from(
    { length: left.length + 1 },
    (_, row) => Array.from({ length: right.length + 1 }, (_, column) => row === 0 ? column : column === 0 ? row : 0)
  )
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let row = 1; row <= left.length; row++) {
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      const best = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (same ? 0 : 1),
        swapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY
      )
      const line = rows[row]
      if (line !== undefined) line[column] = best
    }
  }
  return at(left.length, right.length)
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_ ]/g, "")

/**
 * The known word that `word` most likely meant; undefined when nothing is near. Case, `-` and `_` do not count, and a word
 * may be wrong in at most a third of its letters (never fewer than one, so `prot` still finds `port`).
 */
export const nearest = (word: string, known: Iterable<string>): string | undefined => {
  let found: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  const length = plain(word).length
  for (const candidate of known) {
    if (Math.abs(plain(candidate).length - length) >= least) continue
    const steps = distance(plain(word), plain(candidate))
    if (steps < least) {
      found = candidate
      least = steps
    }
  }
  return found
}

/** A few of the names, and how many more there are. */
export const several = (names: ReadonlyArray<string>): string =>
  `${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}`
