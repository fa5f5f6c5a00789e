/**
 * What is known of models: dated data, by the kind of the provider and the model's name there. Trap: an upstream's own models may
 * have the name of another's, so under a kind without rows, as `openai-compatible`, nothing is known; and what is not known
 * restricts nothing.
 */
import type { Capabilities } from "../domain/Model.ts"
import { finder, type NamedRow } from "../domain/ModelName.ts"
import table from "./models.json" with { type: "json" }

/** Some models of one host. */
export interface ModelRow extends NamedRow, Capabilities {
  readonly source: string
  /** When it was compared with the source, or the date of the release that it was taken from. */
  readonly checked: string
}

const find = finder<ModelRow>(table.rows)

/** Who resells whose models under names of its own: the kind and the name by which the maker knows them. */
const makers: Readonly<Record<string, readonly [maker: string, name: RegExp]>> = {
  "azure-openai": ["openai", /^(.+)$/],
  bedrock: ["anthropic", /^(?:[a-z-]+\.)?anthropic\.(claude-.+?)(?:-v\d+(?::\d+)?)?$/]
}

const lookUp = (kind: string, model: string): ModelRow | undefined => {
  const [maker, name] = makers[kind] ?? []
  const known = name?.exec(model)?.[1]
  return find(kind, model)
    ?? (maker === undefined || known === undefined ? undefined : find(maker, known))
}

const nothing: Capabilities = {}

const withoutNames = (
  { checked: _, ids: __, provider: ___, source: ____, versioned: _____, ...capabilities }: ModelRow
): Capabilities => capabilities

/** Names that are remembered for each kind: callers make some up. */
const remembered = 1024

const known = new Map<string, Map<string, Capabilities>>()

/** What is known of a kind's model; empty where nothing is. */
export const capabilitiesOf = (kind: string, model: string): Capabilities => {
  const models = known.get(kind) ?? new Map<string, Capabilities>()
  const found = models.get(model)
  if (found !== undefined) return found
  if (models.size >= remembered) models.clear()
  const row = lookUp(kind, model)
  const capabilities = row === undefined ? nothing : withoutNames(row)
  known.set(kind, models.set(model, capabilities))
  return capabilities
}

/** Most tokens of one answer, for a dialect that has to say a bound; undefined where it is not known. */
export const maxOutputOf = (model: string, kind = "anthropic"): number | undefined =>
  capabilitiesOf(kind, model).maxOutput
