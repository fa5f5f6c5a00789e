/**
 * Writes src/accounting/prices.json from the data of @pydantic/genai-prices (MIT) and the corrections below. The package is
 * no dependency: install it anywhere and name its entry, `node tools/generate-prices.ts DIR/dist/index.js VERSION DATE`.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { PriceRow, RateRow } from "../src/accounting/Prices.ts"
import { bedrockNamesOf } from "./bedrock-names.ts"
import {
  patternsOf,
  read,
  type SourceModel,
  type SourcePeriod,
  type SourcePrices,
  type Tiered
} from "./genai-source.ts"
import {
  corrections,
  dropped,
  isAnywhere,
  regionsOf,
  serviceTiersOf,
  sources,
  tierBoundOf
} from "./price-corrections.ts"

const units = {
  input_mtok: "input",
  output_mtok: "output",
  cache_read_mtok: "cacheRead",
  cache_write_mtok: "cacheWrite5m",
  cache_write_1h_mtok: "cacheWrite1h",
  input_audio_mtok: "inputAudio",
  output_audio_mtok: "outputAudio"
} as const

/** What a chat answer is not charged by, or only for what our usage does not count and the row would leave out at no harm. */
const harmless = new Set(["web_searches_kcount", "storage_searches_kcount", "cache_audio_read_mtok"])

/** Shortest decimal without an exponent. */
const decimal = (value: number): string =>
  String(value).includes("e") ? value.toFixed(12).replace(/\.?0+$/, "") : String(value)

const baseOf = (price: Tiered): number => typeof price === "number" ? price : price.base

/** Vectors are no tokens, so their models have a price for input alone. */
const isEmbedding = (id: string): boolean => id.includes("embed")

const ratesOf = (prices: SourcePrices, provider: string, id: string): RateRow | undefined => {
  const known = Object.entries(prices).flatMap(([unit, price]) => price === undefined ? [] : [[unit, price] as const])
  if (known.some(([unit]) => !(unit in units) && !harmless.has(unit))) return undefined
  const own = known.flatMap(([unit, price]) =>
    unit in units ? [[units[unit as keyof typeof units], price] as const] : [] // `in` was just asked
  )
  const isWhole = isEmbedding(id) || own.some(([unit]) => unit === "output")
  if (!own.some(([unit]) => unit === "input") || !isWhole) return undefined
  const starts = new Set(
    own.flatMap(([, price]) => typeof price === "number" ? [] : price.tiers.map((tier) => tier.start))
  )
  const tiers = [...starts].sort((left, right) => left - right).map((start) => ({
    above: tierBoundOf(provider, start),
    usdPerMtok: Object.fromEntries(own.map(([unit, price]) => [
      unit,
      decimal(
        typeof price === "number" ? price : price.tiers.findLast((tier) => tier.start <= start)?.price ?? price.base
      )
    ]))
  }))
  const usdPerMtok = Object.fromEntries(own.map(([unit, price]) => [unit, decimal(baseOf(price))]))
  return tiers.length === 0 ? { usdPerMtok } : { usdPerMtok, tiers }
}

const periodsOf = (model: SourceModel, provider: string): ReadonlyArray<RateRow> | undefined => {
  const { prices } = model
  // The cast says what the check before it found: only a list has indices.
  const periods = Array.isArray(prices) ? prices as ReadonlyArray<SourcePeriod> : [{ prices: prices as SourcePrices }]
  const rows = periods.map(({ constraint, prices: own }: SourcePeriod): RateRow | undefined => {
    const rates = ratesOf(own, provider, model.id)
    if (rates === undefined || constraint === undefined) return rates
    const { end_time: until, start_date: from, start_time: start } = constraint
    if (from !== undefined) return { from, ...rates }
    return start === undefined || until === undefined
      ? undefined
      : { hours: [start.slice(0, 5), until.slice(0, 5)], ...rates }
  })
  return rows.every((row) => row !== undefined) ? rows : undefined
}

const rowOf = (provider: string, model: SourceModel, checked: string): ReadonlyArray<PriceRow> => {
  const rates = periodsOf(model, provider)
  if (rates === undefined || dropped(provider, model.id)) return []
  const { ids, versioned } = provider === "bedrock"
    ? { ids: bedrockNamesOf(model), versioned: [] }
    : patternsOf(model.match)
  const versions = [...new Set(versioned)]
  const tiers = serviceTiersOf(provider, model.id)
  const regions = regionsOf(provider, model.id)
  return [{
    provider,
    ids: [...new Set(ids)].filter((id) => !versions.includes(id) && !dropped(provider, id)),
    ...(versions.length === 0 ? {} : { versioned: versions }),
    rates,
    ...(tiers === undefined ? {} : { serviceTiers: tiers }),
    ...(regions === undefined ? {} : { regions }),
    ...(isAnywhere(provider, model.id) ? { anywhere: true } : {}),
    source: sources[provider]?.url ?? "",
    checked
  }]
}

const [entry = "", version = "", checked = ""] = process.argv.slice(2)
const source = await read(entry)
const listed = Object.entries(sources).flatMap(([provider, { id }]) =>
  (source.findProvider({ providerId: id })?.models ?? []).flatMap((model) => rowOf(provider, model, checked))
)
const corrected = new Set(
  corrections.flatMap(({ ids, provider, versioned = [] }) => [...ids, ...versioned].map((id) => `${provider}/${id}`))
)
const kept = listed.flatMap((row): ReadonlyArray<PriceRow> => {
  const ids = row.ids.filter((id) => !corrected.has(`${row.provider}/${id}`))
  const versioned = row.versioned?.filter((id) => !corrected.has(`${row.provider}/${id}`)) ?? []
  if (ids.length + versioned.length === 0) return []
  const { versioned: _, ...rest } = row
  return [versioned.length === 0 ? { ...rest, ids } : { ...rest, ids, versioned }]
})
const licence =
  `Prices from @pydantic/genai-prices ${version}, Copyright (c) Pydantic Services Inc. 2025 to present, MIT License, `
  + "corrected by tools/price-corrections.ts. Facts without warranty: the invoice of the provider rules."
const rows = [...corrections, ...kept]
const text = `{\n  "licence": ${JSON.stringify(licence)},\n  "rows": [\n${
  rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n")
}\n  ]\n}\n`
writeFileSync(join(import.meta.dirname, "../src/accounting/prices.json"), text)
process.stdout.write(`${rows.length} rows, ${text.length} bytes\n`)
