/** `breakwater keys`: the client keys of a running server, listed and changed over its own admin routes. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { KeyBody, KeysBody, ShownKeyBody } from "../api/Keys.ts"
import { ask, type Server, table } from "./Breakers.ts"
import { fail } from "./Unanswered.ts"

/** What was said on the command line; absent = not said. */
export interface Order {
  readonly action: "list" | "issue" | "revoke" | "rotate"
  readonly name: string | undefined
  readonly models: ReadonlyArray<string>
  readonly tags: ReadonlyArray<string>
  readonly rpm: number | undefined
  readonly tpm: number | undefined
  readonly concurrent: number | undefined
  /** Such as `50/month`. */
  readonly budget: string | undefined
  readonly expires: string | undefined
  readonly grace: string | undefined
  readonly json: boolean
}

const path = ({ url }: Server, tail: string): string => `${url.replace(/\/+$/, "")}/api/v1/keys${tail}`

type Key = (typeof KeysBody.Type)["keys"][number]

const absent = "–"

const limitsOf = ({ limits = {} }: Key): string =>
  Object.entries(limits).map(([name, limit]) => `${limit} ${name}`).join(", ") || absent

const budgetOf = ({ budget }: Key): string =>
  budget === undefined ? absent : `${budget.spent_usd ?? "0"} of ${budget.usd} USD/${budget.per}`

const asTable = ({ keys, store }: typeof KeysBody.Type): string => {
  const text = table([
    ["name", "id", "state", "models", "limits", "budget", "tags", "expires", "last used"],
    ...keys.map((key) => [
      key.name,
      key.id ?? "(file)",
      key.state,
      key.models?.join(" ") ?? "all",
      limitsOf(key),
      budgetOf(key),
      key.tags?.join(" ") ?? absent,
      key.expires ?? absent,
      key.last_used ?? absent
    ])
  ])
  const isPassing = store === "memory" && keys.some(({ source }) => source === "issued")
  return isPassing
    ? `${text}\n\nissued keys are in memory and gone at stop; set storage.sql to sqlite:FILE to keep them`
    : text
}

const list = (server: Server, { json }: Order) =>
  Effect.flatMap(
    ask(server, HttpClientRequest.get(path(server, "")), KeysBody),
    (body) => Console.log(json ? JSON.stringify(body, undefined, 2) : asTable(body))
  )

const some = <A>(name: string, value: A | undefined): Readonly<Record<string, A>> =>
  value === undefined ? {} : { [name]: value }

/** The body of an order, or why there is none. */
export const bodyOf = (order: Order): Readonly<Record<string, unknown>> | string => {
  const { action, budget, concurrent, expires, grace, models, name, rpm, tags, tpm } = order
  if (name === undefined) return `${action} which key? Give its name`
  if (action === "revoke") return { name }
  if (action === "rotate") return { name, ...some("grace", grace) }
  const [, usd, per] = /^(.+)\/(day|month)$/.exec(budget ?? "") ?? []
  if (budget !== undefined && usd === undefined) return `--budget is an amount in USD and a period, such as 50/month`
  const limits = { ...some("rpm", rpm), ...some("tpm", tpm), ...some("concurrent", concurrent) }
  return {
    name,
    ...(models.length === 0 ? {} : { models }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(usd === undefined ? {} : { budget: { usd, per } }),
    ...some("expires", expires)
  }
}

/** Does what was ordered; of a key that was issued or rotated stdout has the text alone. */
export const run = (server: Server, order: Order) =>
  Effect.gen(function*() {
    if (order.action === "list") return yield* list(server, order)
    const body = bodyOf(order)
    if (typeof body === "string") return yield* fail(body)
    const request = HttpClientRequest.post(path(server, `/${order.action}`)).pipe(
      HttpClientRequest.bodyJsonUnsafe(body)
    )
    if (order.action === "revoke") {
      const { name } = yield* ask(server, request, KeyBody)
      return yield* Console.log(`${name} is revoked`)
    }
    const shown = yield* ask(server, request, ShownKeyBody)
    yield* Effect.forEach(shown.warnings ?? [], (warning) => Console.error(`warning: ${warning}`))
    if (order.json) return yield* Console.log(JSON.stringify(shown, undefined, 2))
    yield* Console.error(`${shown.name} (${shown.id}), shown this once:`)
    return yield* Console.log(shown.key)
  })
