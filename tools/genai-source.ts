/** The data of @pydantic/genai-prices (MIT), as far as it is read here; the package is no dependency of what runs. */
import { pathToFileURL } from "node:url"

export type Tiered = number | { readonly base: number; readonly tiers: ReadonlyArray<{ start: number; price: number }> }
export type SourcePrices = Readonly<Record<string, Tiered | undefined>>

export interface SourcePeriod {
  readonly constraint?: { readonly start_date?: string; readonly start_time?: string; readonly end_time?: string }
  readonly prices: SourcePrices
}

interface Match {
  readonly or?: ReadonlyArray<Match>
  readonly and?: ReadonlyArray<Match>
  readonly equals?: string
  readonly starts_with?: string
  readonly contains?: string
  readonly ends_with?: string
  readonly regex?: string
}

export interface SourceModel {
  readonly id: string
  readonly context_window?: number
  readonly match: Match
  readonly prices: SourcePrices | ReadonlyArray<SourcePeriod>
}

interface Source {
  readonly findProvider: (
    by: { readonly providerId: string }
  ) => { readonly models: ReadonlyArray<SourceModel> } | undefined
}

/** The package's entry, wherever it is installed. */
export const read = (entry: string): Promise<Source> => import(pathToFileURL(entry).href)

/** Every text of a match, whatever it has to do with a name. */
export const textsOf = (
  { and = [], contains, ends_with: end, equals, or = [], starts_with: start }: Match
): ReadonlyArray<
  string
> => [
  ...[equals, start, end, contains].filter((text) => text !== undefined),
  ...[...or, ...and].flatMap(textsOf)
]

/** The names that a match means: exact ones, and the beginnings of versioned ones. */
export const patternsOf = (match: Match): { readonly ids: Array<string>; readonly versioned: Array<string> } => {
  const ids: Array<string> = []
  const versioned: Array<string> = []
  const read = (part: Match): void => {
    for (const inner of part.or ?? []) read(inner)
    for (const inner of part.and ?? []) read(inner)
    if (part.equals !== undefined) ids.push(part.equals)
    if (part.ends_with !== undefined) ids.push(part.ends_with)
    const stem = part.starts_with ?? part.contains
    if (stem !== undefined) versioned.push(stem.replace(/[-@](20\d\d|0)?$/, "")) // the beginning of a version is no part of the name
    const dated = /^\^([\w\\./-]+?)-\\d/.exec(part.regex ?? "")?.[1]
    if (dated !== undefined) versioned.push(dated.replaceAll("\\", ""))
  }
  read(match)
  return { ids, versioned }
}
