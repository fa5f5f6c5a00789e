/** Every price that our list shares with @pydantic/genai-prices, by kind of token and size of prompt. Its own data: no network. */
import { calcPrice } from "@pydantic/genai-prices"
import { makeBook } from "../../src/accounting/Cost.ts"
import table from "../../src/accounting/prices.json" with { type: "json" }
import type { PriceRow } from "../../src/accounting/Prices.ts"
import type { Usage } from "../../src/domain/Usage.ts"
import { sources } from "../../tools/price-corrections.ts"

const rows: ReadonlyArray<PriceRow> = table.rows

const at = Date.parse("2026-11-22T12:00:00Z")

/** Prompts below and above every bound, and at OpenAI's own. */
const prompts = [1000, 272_000, 300_000]

interface Kind {
  readonly ours: (count: number) => Partial<Usage>
  readonly theirs: (count: number) => Readonly<Record<string, number>>
}

const kinds: Readonly<Record<string, Kind>> = {
  input: { ours: () => ({}), theirs: () => ({}) },
  cacheRead: { ours: (count) => ({ cachedTokens: count }), theirs: (count) => ({ cache_read_tokens: count }) },
  cacheWrite: { ours: (count) => ({ cacheWriteTokens: count }), theirs: (count) => ({ cache_write_tokens: count }) },
  output: { ours: () => ({ completionTokens: 1000 }), theirs: () => ({ output_tokens: 1000 }) }
}

export interface Compared {
  /** `provider/model kind prompt`. */
  readonly name: string
  readonly isEqual: boolean
  readonly ours: number | undefined
  readonly theirs: number | undefined
}

/** Models of vectors have no output that could be priced. */
const hasOutput = ({ rates }: PriceRow): boolean => rates.some(({ usdPerMtok }) => usdPerMtok?.output !== undefined)

const compare = (row: PriceRow, model: string, kind: string, prompt: number): Compared | undefined => {
  if (kind === "output" && !hasOutput(row)) return undefined
  const { ours, theirs } = kinds[kind] ?? { ours: () => ({}), theirs: () => ({}) }
  // Azure's answers say which model served; nobody else's price asks for it.
  const usage: Usage = {
    promptTokens: prompt,
    completionTokens: 0,
    totalTokens: prompt,
    servedModel: model,
    ...ours(prompt)
  }
  const own = makeBook([{ name: "p", kind: row.provider }]).costOf("p", model, usage, at)
  const found = calcPrice({ input_tokens: prompt, ...theirs(prompt) }, model, {
    providerId: sources[row.provider]?.id ?? row.provider,
    timestamp: new Date(at)
  })
  if (found === null) return undefined
  const mine = "picoUsd" in own ? Number(own.picoUsd) / 1e12 : undefined
  const isEqual = mine !== undefined && Math.abs(mine - found.total_price) <= 1e-9 * Math.max(mine, 1e-6)
  return { name: `${row.provider}/${model} ${kind} ${prompt}`, isEqual, ours: mine, theirs: found.total_price }
}

/** What Azure has no row of is priced as at OpenAI. */
const atAzure = rows.filter(({ provider }) => provider === "openai").map((row) => ({
  ...row,
  provider: "azure-openai"
}))

/** All comparisons; a model that it has no price for is not shared. */
export const comparisons = (): ReadonlyArray<Compared> =>
  [...rows, ...atAzure].flatMap((row) =>
    [...row.ids, ...row.versioned ?? []].flatMap((model) =>
      Object.keys(kinds).flatMap((kind) =>
        prompts.flatMap((prompt) => {
          const compared = compare(row, model, kind, prompt)
          return compared === undefined ? [] : [compared]
        })
      )
    )
  )
