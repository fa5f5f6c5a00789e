/** `breakwater usage`: what a running server's ledger adds up to, as a table, CSV or JSON. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { UsageBody } from "../api/Usage.ts"
import { parseUsd, type PicoUsd, plus, toUsd } from "../domain/Money.ts"
import { ask, type Server, table } from "./Breakers.ts"

export const formats = ["table", "csv", "json"] as const

export interface Wish {
  readonly by: string
  readonly since: string | undefined
  readonly format: (typeof formats)[number]
}

/** What is not known, or has no name. */
const absent = "–"

type Body = typeof UsageBody.Type
type Row = Body["sums"][number]

const urlOf = ({ url }: Server, { by, since }: Wish): string =>
  `${url.replace(/\/+$/, "")}/api/v1/usage?${new URLSearchParams({ by, ...(since === undefined ? {} : { since }) })}`

const inputOf = ({ tokens }: Row): number =>
  tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h + tokens.input_audio
  + tokens.input_image
const outputOf = ({ tokens }: Row): number => tokens.output + tokens.reasoning + tokens.output_audio

const sumOf = (rows: ReadonlyArray<Row>, part: (row: Row) => number): number =>
  rows.reduce((sum, row) => sum + part(row), 0)

const costOf = (row: Row): string => row.cost_usd ?? "0"

const moneyOf = (rows: ReadonlyArray<Row>, part: (row: Row) => string): PicoUsd =>
  rows.reduce<PicoUsd>((sum, row) => plus(sum, parseUsd(part(row)) ?? 0), 0)

/** A sum in which nothing is known is no 0. */
const known = (rows: ReadonlyArray<Row>): string =>
  rows.every((row) => row.cost_usd === undefined) && rows.length > 0 ? absent : toUsd(moneyOf(rows, costOf))

const cells = (row: Row): ReadonlyArray<string> => [
  row.name === "" ? absent : row.name,
  String(row.requests),
  String(row.attempts),
  String(inputOf(row)),
  String(row.tokens.cache_read),
  String(outputOf(row)),
  row.cost_usd ?? absent,
  String(row.unpriced)
]

const asTable = ({ by, store, sums }: Body): string => {
  const hasEstimates = sums.some((row) => row.estimated_usd !== "0")
  const estimated = (cell: string): ReadonlyArray<string> => hasEstimates ? [cell] : []
  const rows = [
    [by, "requests", "attempts", "input", "of it cached", "output", "USD", "unpriced", ...estimated("estimated USD")],
    ...sums.map((row) => [...cells(row), ...estimated(row.estimated_usd)])
  ]
  // A request may have several tags, or have come to several models: only sums of what is whole are sums of all.
  const isWhole = by === "day" || by === "key"
  const all = [
    "all",
    String(sumOf(sums, (row) => row.requests)),
    String(sumOf(sums, (row) => row.attempts)),
    String(sumOf(sums, inputOf)),
    String(sumOf(sums, (row) => row.tokens.cache_read)),
    String(sumOf(sums, outputOf)),
    known(sums),
    String(sumOf(sums, (row) => row.unpriced)),
    ...estimated(toUsd(moneyOf(sums, (row) => row.estimated_usd)))
  ]
  const text = table(isWhole && sums.length > 1 ? [...rows, all] : rows)
  return store === "memory" ? `${text}\n\nfrom memory: the last requests only; set storage.sql to keep them all` : text
}

const columns = [
  "requests",
  "attempts",
  "input",
  "cache_read",
  "cache_write_5m",
  "cache_write_1h",
  "input_audio",
  "input_image",
  "output",
  "reasoning",
  "output_audio",
  "cost_usd",
  "estimated_usd",
  "estimated_input",
  "estimated_output",
  "unpriced"
] as const

/** A field that begins like a formula would be one to a spreadsheet. */
const field = (text: string): string => {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll("\"", "\"\"")}"` : safe
}

const asCsv = ({ by, sums }: Body): string =>
  [
    [by, ...columns].join(","),
    ...sums.map(({ estimated_tokens: { input, output }, tokens, ...row }) => {
      const estimates = { estimated_input: input, estimated_output: output }
      const values: Readonly<Record<string, unknown>> = { ...row, ...tokens, ...estimates }
      return [field(row.name), ...columns.map((column) => String(values[column] ?? ""))].join(",")
    })
  ].join("\n")

/** The sums on stdout. */
export const show = (server: Server, wish: Wish) =>
  Effect.gen(function*() {
    const body = yield* ask(server, HttpClientRequest.get(urlOf(server, wish)), UsageBody)
    if (wish.format === "json") return yield* Console.log(JSON.stringify(body, undefined, 2))
    if (wish.format === "csv") return yield* Console.log(asCsv(body))
    if (body.sums.length > 0) return yield* Console.log(asTable(body))
    return yield* Console.log(`nothing in the ledger${body.since === undefined ? "" : ` since ${body.since}`}`)
  })
