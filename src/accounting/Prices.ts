/**
 * What a token costs: list prices as dated data, the file's own before them, and the way from a provider, a model and a moment to
 * whole pico-dollars per token. A model that no row names exactly, or with a version's suffix, has no price.
 */
import { finder, type NamedRow } from "../domain/ModelName.ts"
import { parseUsdPerMtok } from "../domain/Money.ts"
import table from "./prices.json" with { type: "json" }

/** A decimal with at most six places; a number is read by its shortest text. */
type Decimal = string | number

/** USD for a million tokens of each kind. */
export interface UsdPerMtok {
  readonly input?: Decimal | undefined
  readonly output?: Decimal | undefined
  /** Absent = as input. */
  readonly cacheRead?: Decimal | undefined
  /** Tokens written to the cache for its usual time; absent = as input. */
  readonly cacheWrite5m?: Decimal | undefined
  /** Absent = as input where `cacheWrite5m` is absent too, else unknown. */
  readonly cacheWrite1h?: Decimal | undefined
  /** Absent = unknown: an answer with audio is unpriced. */
  readonly inputAudio?: Decimal | undefined
  readonly outputAudio?: Decimal | undefined
}

/** Prices of a model at some time. A tier rules the whole request when its input is larger than `above` tokens. */
export interface ModelPrices {
  readonly usdPerMtok?: UsdPerMtok | undefined
  readonly tiers?: ReadonlyArray<{ readonly above: number; readonly usdPerMtok: UsdPerMtok }> | undefined
}

/** Prices in the file, with what its service tiers and regions multiply them by: decimals such as `0.5`, `1.1`. */
export interface OwnPrices extends ModelPrices {
  readonly serviceTiers?: Readonly<Record<string, Decimal>> | undefined
  readonly regions?: Readonly<Record<string, Decimal>> | undefined
}

/** `from`: first day, UTC; `hours`: only from the first to before the second of each day, UTC. The last row that applies rules. */
export interface RateRow extends ModelPrices {
  readonly from?: string
  readonly hours?: ReadonlyArray<string>
}

type Factors = Readonly<Record<string, ReadonlyArray<number>>>

/** One model of one host. */
export interface PriceRow extends NamedRow {
  readonly rates: ReadonlyArray<RateRow>
  /** By service tier, the factor as a fraction. */
  readonly serviceTiers?: Factors
  /** The same by the region in which an answer is to be made; both may apply. */
  readonly regions?: Factors
  /** The same price wherever it is made, for what differs by the region is in the name. */
  readonly anywhere?: boolean
  readonly source: string
  /** When it was compared with the source, or the date of the release that it was taken from. */
  readonly checked: string
}

/** Pico-dollars for a token of each kind; undefined = not known. */
export interface Rates {
  readonly input: number | undefined
  readonly output: number | undefined
  readonly cacheRead: number | undefined
  readonly cacheWrite5m: number | undefined
  readonly cacheWrite1h: number | undefined
  readonly inputAudio: number | undefined
  readonly outputAudio: number | undefined
}

/** The prices of one model at one moment. */
export interface Price {
  readonly base: Rates
  /** The highest bound first. */
  readonly tiers: ReadonlyArray<{ readonly above: number; readonly rates: Rates }>
  /** The same for the service tiers whose price is known. */
  readonly serviceTiers: ReadonlyMap<string, Price>
  /** The same for the regions whose price is known, each with its service tiers. */
  readonly regions: ReadonlyMap<string, Price>
  /** It holds in every region. */
  readonly isAnywhere?: true
}

/** The price in a region; undefined where it is not known. */
export const priceIn = (price: Price, region: string | undefined): Price | undefined =>
  region === undefined || price.isAnywhere === true ? price : price.regions.get(region)

type Fraction = readonly [times: number, per: number]

const one: Fraction = [1, 1]
const none: ReadonlyMap<string, Price> = new Map()

const ratesOf = (usd: UsdPerMtok, [factor, per]: Fraction): Rates => {
  const rate = (written: Decimal | undefined): number | undefined => {
    const price = written === undefined ? undefined : parseUsdPerMtok(String(written))
    if (price === undefined) return undefined
    // The product may be larger than a number holds; it is made once, when the price is first asked for.
    const scaled = BigInt(price) * BigInt(factor)
    const whole = Number(scaled / BigInt(per))
    // What is no whole number of pico-dollars is not known rather than rounded.
    return scaled % BigInt(per) === 0n && Number.isSafeInteger(whole) ? whole : undefined
  }
  const input = rate(usd.input)
  const written = usd.cacheWrite5m === undefined ? input : rate(usd.cacheWrite5m)
  return {
    input,
    output: rate(usd.output),
    cacheRead: usd.cacheRead === undefined ? input : rate(usd.cacheRead),
    cacheWrite5m: written,
    cacheWrite1h: usd.cacheWrite1h === undefined && usd.cacheWrite5m === undefined ? input : rate(usd.cacheWrite1h),
    inputAudio: rate(usd.inputAudio),
    outputAudio: rate(usd.outputAudio)
  }
}

const divisor = (left: number, right: number): number => right === 0 ? left : divisor(right, left % right)

/** A decimal as a fraction in its lowest terms, such as 1.1 as 11/10; undefined where it is none. */
const fractionOf = (written: Decimal): Fraction | undefined => {
  const millionths = parseUsdPerMtok(String(written))
  if (millionths === undefined) return undefined
  const common = divisor(millionths, 1_000_000)
  return [millionths / common, 1_000_000 / common]
}

const fractionsOf = (written: OwnPrices["regions"] = {}): ReadonlyArray<readonly [string, Fraction]> =>
  Object.entries(written).flatMap(([name, decimal]) => {
    const fraction = fractionOf(decimal)
    return fraction === undefined ? [] : [[name, fraction] as const]
  })

const named = (factors: Factors = {}): ReadonlyArray<readonly [string, Fraction]> =>
  Object.entries(factors).map(([name, [times = 1, per = 1]]) => [name, [times, per]])

type Named = ReturnType<typeof named>

const mapped = (factors: Named, make: (factor: Fraction) => Price): ReadonlyMap<string, Price> =>
  factors.length === 0 ? none : new Map(factors.map(([name, factor]) => [name, make(factor)]))

const both = ([times, per]: Fraction, [more, perMore]: Fraction): Fraction => [times * more, per * perMore]

const priceAt = (prices: ModelPrices, factor: Fraction, serviceTiers: Named, regions: Named): Price => {
  const { tiers = [], usdPerMtok = {} } = prices
  return {
    base: ratesOf(usdPerMtok, factor),
    // A tier says what is different in it.
    tiers: tiers.map((tier) => ({ above: tier.above, rates: ratesOf({ ...usdPerMtok, ...tier.usdPerMtok }, factor) }))
      .sort((left, right) => right.above - left.above),
    serviceTiers: mapped(serviceTiers, (more) => priceAt(prices, both(factor, more), [], [])),
    regions: mapped(regions, (more) => priceAt(prices, both(factor, more), serviceTiers, []))
  }
}

/** Prices as numbers; the factors are those of its row. */
export const compile = (prices: ModelPrices, serviceTiers?: Factors, regions?: Factors): Price =>
  priceAt(prices, one, named(serviceTiers), named(regions))

/** AWS's region says where requests go; prices of the file that name none are those of the region that is asked. */
const isAws = (kind: string): boolean => kind.startsWith("bedrock")

/** The same of the file's. */
export const compileOwn = (prices: OwnPrices, kind = ""): Price => {
  const price = priceAt(prices, one, fractionsOf(prices.serviceTiers), fractionsOf(prices.regions))
  return isAws(kind) && prices.regions === undefined ? { ...price, isAnywhere: true } : price
}

const minuteMs = 60_000
const dayMs = 1440 * minuteMs

const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5))

const applies = ({ from, hours }: RateRow, atMs: number): boolean => {
  if (from !== undefined && atMs < Date.parse(from)) return false
  const [begin, end] = hours ?? []
  if (begin === undefined || end === undefined) return true
  const minute = Math.floor(atMs % dayMs / minuteMs)
  const first = minuteOf(begin)
  const last = minuteOf(end)
  return first <= last ? minute >= first && minute < last : minute >= first || minute < last
}

/** The next moment at which another rate may rule; infinity = never. */
const changeAfter = (rates: ReadonlyArray<RateRow>, atMs: number): number => {
  let next = Number.POSITIVE_INFINITY
  const today = atMs - atMs % dayMs
  for (const { from, hours = [] } of rates) {
    const moments = hours.flatMap((text) => [today, today + dayMs].map((day) => day + minuteOf(text) * minuteMs))
    if (from !== undefined) moments.push(Date.parse(from))
    for (const moment of moments) if (moment > atMs && moment < next) next = moment
  }
  return next
}

const rows: ReadonlyArray<PriceRow> = table.rows

/** The name of Bedrock's that an ARN ends in, without the revision and the size of context behind it. */
const nameAtAws = (model: string): string =>
  model.replace(/^arn:aws:bedrock:[a-z0-9-]*:\d*:(?:inference-profile|foundation-model)\//, "").replace(/:[\w:]+$/, "")

const globalAlone: Factors = { global: [1, 1] }

/** What Azure asks for a model that it has no row of is OpenAI's price; its tiers are its own. Rates of its own, see `compiled`. */
const atAzure = ({ rates, regions: _, serviceTiers: __, ...row }: PriceRow): PriceRow => ({
  ...row,
  provider: "azure-openai",
  rates: rates.map((rate) => ({ ...rate })),
  regions: globalAlone
})

const find = finder(rows)
const findAtAzure = finder(rows.filter(({ provider }) => provider === "openai").map(atAzure))

/** The row of a kind's model: an exact name first, then the longest name that has only a version behind it. */
export const rowOf = (kind: string, model: string): PriceRow | undefined => {
  if (isAws(kind)) return find("bedrock", nameAtAws(model))
  return find(kind, model) ?? (kind === "azure-openai" ? findAtAzure(kind, model) : undefined)
}

/** A price and the moment (ms since 1970) until which, from when it was asked for, it stays. */
export interface Dated {
  readonly price: Price | undefined
  readonly fromMs: number
  readonly untilMs: number
}

/** Made once for each row of the list, whatever versions of a model are asked for: callers may name a new one each time. */
const compiled = new WeakMap<RateRow, Price>()

const compiledOf = (rates: RateRow, { anywhere, regions, serviceTiers }: PriceRow): Price => {
  const known = compiled.get(rates)
  if (known !== undefined) return known
  const made = compile(rates, serviceTiers, regions)
  const price: Price = anywhere === true ? { ...made, isAnywhere: true } : made
  compiled.set(rates, price)
  return price
}

/** The list price of a kind's model at a moment in ms since 1970. */
export const listPrice = (kind: string, model: string, atMs: number): Dated => {
  const row = rowOf(kind, model)
  if (row === undefined) return { price: undefined, fromMs: 0, untilMs: Number.POSITIVE_INFINITY }
  const ruling = row.rates.findLast((rate) => applies(rate, atMs))
  return {
    price: ruling === undefined ? undefined : compiledOf(ruling, row),
    fromMs: atMs,
    untilMs: changeAfter(row.rates, atMs)
  }
}
