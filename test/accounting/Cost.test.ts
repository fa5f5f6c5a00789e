import { describe, expect, it } from "@effect/vitest"
import { bucketsOf, cost, makeBook } from "../../src/accounting/Cost.ts"
import table from "../../src/accounting/prices.json" with { type: "json" }
import { compile, listPrice, type PriceRow, type RateRow, rowOf, type UsdPerMtok } from "../../src/accounting/Prices.ts"
import type { Usage } from "../../src/domain/Usage.ts"
import { makeRandom } from "../providers/Seeded.ts"

const rows: ReadonlyArray<PriceRow> = table.rows
const now = Date.parse("2026-11-22T12:00:00Z")

const usage = (prompt: number, completion: number, more: Partial<Usage> = {}): Usage => ({
  promptTokens: prompt,
  completionTokens: completion,
  totalTokens: prompt + completion,
  ...more
})

/** USD per million as pico-dollars per token, by BigInt and padding alone. */
const pico = (text: string | number): bigint => {
  const [whole = "0", fraction = ""] = String(text).split(".")
  return BigInt(whole + fraction.padEnd(6, "0"))
}

/** The cost again, written apart from the code: BigInt throughout, the table read as text. Undefined = not known. */
const reference = (rates: RateRow, used: Usage, factor: readonly [bigint, bigint] = [1n, 1n]): bigint | undefined => {
  let usd: UsdPerMtok = { ...rates.usdPerMtok }
  let reached = -1
  for (const tier of rates.tiers ?? []) {
    if (used.promptTokens > tier.above && tier.above > reached) {
      usd = { ...rates.usdPerMtok, ...tier.usdPerMtok }
      reached = tier.above
    }
  }
  const read = BigInt(used.cachedTokens ?? 0)
  const short = BigInt(used.cacheWriteTokens ?? 0)
  const long = BigInt(used.cacheWrite1hTokens ?? 0)
  const heard = BigInt(used.audioPromptTokens ?? 0)
  const spoken = BigInt(used.audioCompletionTokens ?? 0)
  const lines: ReadonlyArray<readonly [bigint, string | number | undefined]> = [
    [BigInt(used.promptTokens) - read - short - long - heard, usd.input],
    [read, usd.cacheRead ?? usd.input],
    [short, usd.cacheWrite5m ?? usd.input],
    [long, usd.cacheWrite1h ?? (usd.cacheWrite5m === undefined ? usd.input : undefined)],
    [heard, usd.inputAudio],
    [BigInt(used.completionTokens) - spoken, usd.output],
    [spoken, usd.outputAudio]
  ]
  let sum = 0n
  for (const [count, price] of lines) {
    if (count === 0n) continue
    if (price === undefined) return undefined
    const scaled = pico(price) * factor[0]
    if (scaled % factor[1] !== 0n) return undefined
    sum += count * (scaled / factor[1])
  }
  return sum
}

const exact = (found: ReturnType<typeof cost>): bigint | undefined =>
  "picoUsd" in found ? BigInt(found.picoUsd) : undefined

const bounds = new Set(
  rows.flatMap((row) => row.rates.flatMap(({ tiers = [] }) => tiers.map(({ above }) => above)))
)

/** Prompts on both sides of every bound that is in use, and far beyond them. */
const prompts = [0, 1, 999, ...Array.from(bounds).flatMap((bound) => [bound - 1, bound, bound + 1]), 1_000_000_007]

/** A prompt split at random into its parts. */
const split = (prompt: number, next: () => number): Partial<Usage> => {
  const share = (left: number) => Math.floor(next() * (left + 1))
  const cachedTokens = share(prompt)
  const cacheWriteTokens = share(prompt - cachedTokens)
  const cacheWrite1hTokens = next() < 0.5 ? 0 : share(prompt - cachedTokens - cacheWriteTokens)
  const audioPromptTokens = next() < 0.8 ? 0 : share(prompt - cachedTokens - cacheWriteTokens - cacheWrite1hTokens)
  return { cachedTokens, cacheWriteTokens, cacheWrite1hTokens, audioPromptTokens }
}

/** One moment in each period of a row: the day's edge and a second before it, the hour's edge and a millisecond before it. */
const moments = (row: PriceRow): ReadonlyArray<readonly [number, RateRow | undefined]> => {
  const at: Array<number> = [now]
  for (const { from, hours } of row.rates) {
    if (from !== undefined) at.push(Date.parse(from), Date.parse(from) - 1000)
    for (const hour of hours ?? []) {
      at.push(Date.parse(`2026-11-22T${hour}:00Z`), Date.parse(`2026-11-22T${hour}:00Z`) - 1)
    }
  }
  return at.map((moment) => {
    const day = new Date(moment).toISOString()
    const ruling = row.rates.filter(({ from, hours }) =>
      (from === undefined || day.slice(0, 10) >= from)
      && (hours === undefined || (day.slice(11, 16) >= (hours[0] ?? "") && day.slice(11, 16) < (hours[1] ?? "")))
    )
    return [moment, ruling.at(-1)]
  })
}

describe("cost", () => {
  it("is to the pico-dollar what BigInt says, for every model, period, bound and split of the tokens", () => {
    const next = makeRandom(7)
    let cases = 0
    let known = 0
    const charged = new Set<string>()
    for (const row of rows) {
      const model = row.ids[0] ?? row.versioned?.[0] ?? ""
      for (const [at, rates] of moments(row)) {
        const book = makeBook([{ name: "p", kind: row.provider }])
        for (const prompt of prompts) {
          const completion = Math.floor(next() * 200_000)
          const audioCompletionTokens = next() < 0.8 ? 0 : Math.floor(next() * completion)
          const used = {
            ...usage(prompt, completion, { ...split(prompt, next), audioCompletionTokens }),
            servedModel: model
          }
          const expected = rates === undefined ? undefined : reference(rates, used)
          const found = exact(book.costOf("p", model, used, at))
          if (found !== expected) throw new Error(`${row.provider}/${model} at ${at}: ${found}, not ${expected}`)
          cases++
          if (found === undefined) continue
          known++
          for (const [kind, count] of Object.entries(bucketsOf(used))) if (count > 0) charged.add(kind)
        }
      }
    }
    expect(bounds.size).toBeGreaterThan(2)
    expect(cases).toBeGreaterThan(3000)
    expect(known).toBeGreaterThan(2000)
    // Each kind was in what had a price.
    expect(charged.size).toBe(7)
  })

  it("of a service tier is to the pico-dollar its fraction of each price, or not known", () => {
    const next = makeRandom(8)
    let cases = 0
    for (const row of rows) {
      for (const [serviceTier, [factor = 1, per = 1]] of Object.entries(row.serviceTiers ?? {})) {
        const model = row.ids[0] ?? row.versioned?.[0] ?? ""
        const rates = moments(row)[0]?.[1] ?? {}
        for (const prompt of prompts) {
          const used = usage(prompt, 1000, { ...split(prompt, next), serviceTier })
          const book = makeBook([{ name: "p", kind: row.provider }])
          const expected = reference(rates, used, [BigInt(factor), BigInt(per)])
          expect(exact(book.costOf("p", model, used, now))).toBe(expected)
          cases++
        }
      }
    }
    expect(cases).toBeGreaterThan(300)
  })

  it("of a region, with any service tier, is to the pico-dollar the product of its fractions, or not known", () => {
    const next = makeRandom(12)
    let cases = 0
    let known = 0
    for (const row of rows) {
      const model = row.ids[0] ?? row.versioned?.[0] ?? ""
      const tiers: ReadonlyArray<readonly [string | undefined, ReadonlyArray<number>]> = [
        [undefined, [1, 1]],
        ...Object.entries(row.serviceTiers ?? {})
      ]
      for (const [region, [more = 1, of = 1]] of Object.entries(row.regions ?? {})) {
        const [[at, rates] = [now, undefined]] = moments(row)
        for (const [serviceTier, [factor = 1, per = 1]] of tiers) {
          for (const prompt of prompts) {
            const used = usage(prompt, 1000, { ...split(prompt, next), serviceTier, servedModel: model })
            const expected = reference(rates ?? {}, used, [BigInt(factor * more), BigInt(per * of)])
            const told = makeBook([{ name: "p", kind: row.provider }]).costOf("p", model, { ...used, region }, at)
            const set = makeBook([{ name: "p", kind: row.provider, region }]).costOf("p", model, used, at)
            expect([exact(told), exact(set)]).toEqual([expected, expected])
            cases++
            if (expected !== undefined) known++
          }
        }
      }
    }
    expect(cases).toBeGreaterThan(200)
    expect(known).toBeGreaterThan(150)
  })

  it("of a model priced in the file is multiplied by the file's decimals, by both where both apply", () => {
    const prices = {
      mine: {
        usdPerMtok: { input: "0.123457", output: "8000" },
        tiers: [{ above: 10, usdPerMtok: { input: "3" } }],
        serviceTiers: { flex: "0.5", fast: 2 },
        regions: { eu: "1.1", ch: "1.333333" }
      }
    }
    const of = (more: Partial<Usage>, input = 0, output = 1, region?: string) =>
      makeBook([{ name: "p", kind: "openai", prices, region }]).costOf("p", "mine", usage(input, output, more), now)
    const computed = (picoUsd: number) => ({ picoUsd, source: "computed" })
    expect(of({ serviceTier: "flex" })).toEqual(computed(4_000_000_000))
    expect(of({ serviceTier: "fast" }, 20, 0)).toEqual(computed(20 * 6_000_000))
    expect(of({ region: "eu" })).toEqual(computed(8_800_000_000))
    expect(of({ serviceTier: "flex" }, 0, 1, "eu")).toEqual(computed(4_400_000_000))
    expect(of({ region: "ch" })).toEqual(computed(10_666_664_000))
    // What the answer says rules over what the file says.
    expect(of({ region: "eu" }, 0, 1, "ch")).toEqual(computed(8_800_000_000))
    // 123,457 × 1/2 is no whole number.
    expect(of({ serviceTier: "flex" }, 1, 0)).toEqual({ absent: "rate" })
    expect(of({ region: "us" })).toEqual({ absent: "region" })
    expect(of({ serviceTier: "priority" }, 0, 1, "eu")).toEqual({ absent: "tier" })
  })

  it("beyond what a double holds is exact still", () => {
    const price = compile({ usdPerMtok: { input: "123.456789", output: "987.654321" } })
    const used = usage(9_007_199_254_740_991, 3)
    expect(cost(used, price)).toEqual({
      picoUsd: 9_007_199_254_740_991n * 123_456_789n + 3n * 987_654_321n,
      source: "computed"
    })
  })

  it("splits every usage into kinds that are never negative and add up to the whole, also where its parts contradict it", () => {
    const next = makeRandom(9)
    const count = () => Math.floor(next() * 1000) - 50
    for (let at = 0; at < 5000; at++) {
      const used = usage(count(), count(), {
        cachedTokens: count(),
        cacheWriteTokens: count(),
        cacheWrite1hTokens: count(),
        audioPromptTokens: count(),
        audioCompletionTokens: count(),
        reasoningTokens: count()
      })
      const { outputAudio, output, ...input } = bucketsOf(used)
      const inputs = Object.values(input)
      expect(Math.min(output, outputAudio, ...inputs)).toBeGreaterThanOrEqual(0)
      expect(inputs.reduce((sum, count) => sum + count, 0)).toBe(Math.max(used.promptTokens, 0))
      expect(output + outputAudio).toBe(Math.max(used.completionTokens, 0))
    }
  })

  it("has a tier rule the whole request strictly above its bound", () => {
    const price = compile({
      usdPerMtok: { input: "1", output: "2" },
      tiers: [{ above: 10, usdPerMtok: { input: "3" } }]
    })
    expect(cost(usage(10, 1), price)).toEqual({ picoUsd: 12_000_000, source: "computed" })
    expect(cost(usage(11, 1), price)).toEqual({ picoUsd: 35_000_000, source: "computed" })
  })

  it("is what the provider said, whatever the list says", () => {
    const book = makeBook([{ name: "p", kind: "openai" }])
    expect(book.costOf("p", "gpt-4.1", usage(10, 10, { reportedCost: 7 }), now)).toEqual({
      picoUsd: 7,
      source: "provider"
    })
    expect(book.costOf("p", "nobody", usage(10, 10, { reportedCost: 0 }), now)).toEqual({
      picoUsd: 0,
      source: "provider"
    })
  })

  it("of one use is that of the model and provider that are asked for, whatever was asked before", () => {
    const mine = (input: string) => ({
      mine: { usdPerMtok: { input, output: "1" } },
      other: { usdPerMtok: { input: "7", output: "1" } }
    })
    const providers = [{ name: "p", kind: "a", prices: mine("2") }, { name: "q", kind: "a", prices: mine("3") }]
    const book = makeBook(providers)
    const used = usage(1, 0)
    const asked = [["p", "mine"], ["q", "mine"], ["p", "other"], ["p", "mine"], ["p", "none"]] as const
    const costs = asked.map(([provider, model]) => book.costOf(provider, model, used, now))
    expect(costs).toEqual([
      ...[2, 3, 7, 2].map((usd) => ({ picoUsd: usd * 1_000_000, source: "computed" })),
      { absent: "model" }
    ])
  })

  it("is absent with a reason, never 0, where something is not known", () => {
    const book = makeBook([{ name: "p", kind: "openai" }])
    expect(book.costOf("p", "gpt-4.1", undefined, now)).toEqual({ absent: "usage" })
    expect(book.costOf("p", "gpt-9", usage(1, 1), now)).toEqual({ absent: "model" })
    expect(book.costOf("q", "gpt-4.1", usage(1, 1), now)).toEqual({ absent: "model" })
    expect(book.costOf("p", "gpt-4.1", usage(1, 1, { audioPromptTokens: 1 }), now)).toEqual({ absent: "rate" })
    expect(book.costOf("p", "gpt-4.1", usage(1, 1, { serviceTier: "ultrafast" }), now)).toEqual({ absent: "tier" })
    // Each search costs something besides.
    expect(book.costOf("p", "gpt-4.1", usage(1, 1, { searches: 1 }), now)).toEqual({ absent: "rate" })
    expect(book.costOf("p", "gpt-4.1", usage(1, 1, { searches: 1, reportedCost: 7 }), now))
      .toEqual({ picoUsd: 7, source: "provider" })
    expect(book.costOf("p", "gpt-4o-mini-search-preview", usage(1, 1), now)).toEqual({ absent: "model" })
  })

  it("takes the file's prices before the list's", () => {
    const book = makeBook([{
      name: "p",
      kind: "openai",
      prices: {
        "gpt-4.1": { usdPerMtok: { input: "1", output: "1" } },
        mine: { usdPerMtok: { input: "0", output: "0" } }
      }
    }])
    expect(book.costOf("p", "gpt-4.1", usage(5, 5), now)).toEqual({ picoUsd: 10_000_000, source: "computed" })
    expect(book.costOf("p", "mine", usage(5, 5), now)).toEqual({ picoUsd: 0, source: "computed" })
    expect(book.costOf("p", "gpt-4.1-mini", usage(1, 0), now)).toEqual({ picoUsd: 400_000, source: "computed" })
  })

  it("changes with the day although the price is remembered, also backwards", () => {
    const book = makeBook([{ name: "p", kind: "anthropic" }])
    const read = (day: string) =>
      book.costOf("p", "claude-sonnet-5-5", usage(1, 0, { cachedTokens: 1 }), Date.parse(day))
    expect(read("2026-10-06T23:59:59.999Z")).toEqual({ picoUsd: 200_000, source: "computed" })
    expect(read("2026-10-07T00:00:00.000Z")).toEqual({ picoUsd: 100_000, source: "computed" })
    expect(read("2026-10-06T23:59:59.999Z")).toEqual({ picoUsd: 200_000, source: "computed" })
  })
})

describe("the price list", () => {
  it("reads every price of every row as a whole number of pico-dollars, and knows source and date of each", () => {
    for (const row of rows) {
      expect(row.source).toMatch(/^https:\/\//)
      expect(row.checked).toMatch(/^20\d\d-\d\d(-\d\d)?$/)
      for (const { tiers = [], usdPerMtok } of row.rates) {
        for (const usd of [usdPerMtok, ...tiers.map((tier) => tier.usdPerMtok)]) {
          for (const price of Object.values(usd ?? {})) expect(price).toMatch(/^\d+(\.\d{1,6})?$/)
        }
      }
    }
  })

  it("names no model of a host twice", () => {
    const names = rows.flatMap(({ ids, provider, versioned = [] }) =>
      [...ids, ...versioned].map((id) => `${provider}/${id}`)
    )
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
  })

  it("takes a longer name for another model unless a version is all that it adds", () => {
    const at = (kind: string, model: string) => listPrice(kind, model, now).price?.base.cacheRead
    expect(at("anthropic", "claude-sonnet-5")).toBe(200_000)
    expect(at("anthropic", "claude-sonnet-5-20260301")).toBe(200_000)
    expect(at("anthropic", "claude-sonnet-5-5")).toBe(100_000)
    expect(at("anthropic", "claude-sonnet-5-5@20260901")).toBe(100_000)
    for (const model of ["claude-sonnet-5-6", "claude-sonnet-5-fast", "claude-sonnet-52", "xclaude-sonnet-5"]) {
      expect(rowOf("anthropic", model)).toBeUndefined()
    }
    for (const model of ["gpt-6.1-sol", "gpt-6.2-sol", "gpt-4.1-2099-01-01", "GPT-4.1", "__proto__", ""]) {
      expect(rowOf("openai", model)).toBeUndefined()
    }
    expect(rowOf("openai-compatible", "gpt-4.1")).toBeUndefined()
  })

  it("has OpenAI's long-context price from 272,001 tokens on", () => {
    const book = makeBook([{ name: "p", kind: "openai" }])
    expect(book.costOf("p", "gpt-5.4", usage(272_000, 0), now)).toEqual({
      picoUsd: 272_000 * 2_500_000,
      source: "computed"
    })
    expect(book.costOf("p", "gpt-5.4", usage(272_001, 0), now)).toEqual({
      picoUsd: 272_001 * 5_000_000,
      source: "computed"
    })
  })

  it("has what was published where the data that it is made from had something else", () => {
    const base = (kind: string, model: string) => {
      const { input, output } = listPrice(kind, model, now).price?.base ?? {}
      return [input, output]
    }
    expect(base("mistral", "mistral-large-latest")).toEqual([500_000, 1_500_000])
    expect(base("deepseek", "deepseek-chat")).toEqual([140_000, 280_000])
    expect(base("anthropic", "claude-haiku-5-5")).toEqual([undefined, undefined])
  })
})
