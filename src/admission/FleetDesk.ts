/**
 * One desk for a fleet: it stands in the primary, and each worker sends its orders there. A worker that dies leaves nothing held
 * behind. Money travels as digits, for JSON has no large integers.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { fromMicroAndRest, type PicoUsd } from "../domain/Money.ts"
import { Fleet } from "../storage/Fleet.ts"
import type { Keeper } from "../storage/FleetKeeping.ts"
import * as Desk from "./Desk.ts"

const topic = "desk"

const Digits = Schema.String
const Period = Schema.Literals(["day", "month"])
const Count = Schema.optional(Schema.Number)

const Line = Schema.Struct({ name: Schema.String, rpm: Count, tpm: Count, concurrent: Count })
const Purse = Schema.Struct({ name: Schema.String, limit: Digits, per: Period, soft: Schema.Number })

/** What a worker says. */
const Word = Schema.Union([
  Schema.Struct({
    word: Schema.Literal("enter"),
    id: Schema.String,
    lines: Schema.Array(Line),
    purses: Schema.Array(Purse),
    tokens: Schema.Number,
    bound: Digits
  }),
  Schema.Struct({ word: Schema.Literal("leave"), id: Schema.String, tokens: Schema.Number, spent: Digits }),
  Schema.Struct({
    word: Schema.Literal("tell"),
    told: Schema.Array(
      Schema.Struct({ name: Schema.String, per: Period, sinceMs: Schema.Number, spent: Digits })
    )
  }),
  Schema.Struct({
    word: Schema.Literal("balances"),
    purses: Schema.Array(Schema.Struct({ name: Schema.String, per: Period }))
  })
])

const Standing = Schema.Struct({ limit: Schema.Number, remaining: Schema.Number, resetMs: Schema.Number })
const Standings = Schema.Struct({ requests: Schema.optional(Standing), tokens: Schema.optional(Standing) })

/** What it hears of an order. */
const Outcome = Schema.Union([
  Schema.Struct({ granted: Standings }),
  Schema.Struct({
    refused: Schema.Struct({
      why: Schema.Literals(["requests", "tokens", "concurrent", "budget"]),
      name: Schema.String,
      limit: Schema.String,
      left: Schema.optional(Schema.String),
      untilMs: Schema.optional(Schema.Number),
      retryAfterMs: Schema.Number
    }),
    standings: Standings
  }),
  Schema.Struct({
    unknown: Schema.Array(Schema.Struct({ name: Schema.String, per: Period, sinceMs: Schema.Number }))
  })
])

const Balances = Schema.Array(
  Schema.NullOr(Schema.Struct({ spent: Digits, reserved: Digits, endMs: Schema.Number }))
)

const decodeWord = Schema.decodeUnknownEffect(Word)
const decodeOutcome = Schema.decodeUnknownEffect(Outcome)
const decodeBalances = Schema.decodeUnknownEffect(Balances)

const money = (digits: string): PicoUsd => fromMicroAndRest("0", digits)

const failed = ({ message }: { readonly message: string }): Desk.DeskFailed => ({ _tag: "DeskFailed", message })

/** Of all workers the one that says it. */
const prefixOf = (worker: number): string => `${worker}:`

const act = (
  { desk }: Desk.OwnDesk,
  word: typeof Word.Type,
  prefix: string
): Effect.Effect<unknown, Desk.DeskFailed> => {
  switch (word.word) {
    case "enter":
      return desk.enter({
        ...word,
        id: prefix + word.id,
        purses: word.purses.map((purse) => ({ ...purse, limit: money(purse.limit) })),
        bound: money(word.bound)
      })
    case "leave":
      return Effect.as(desk.leave(prefix + word.id, { tokens: word.tokens, spent: money(word.spent) }), null)
    case "tell":
      return Effect.as(desk.tell(word.told.map((told) => ({ ...told, spent: money(told.spent) }))), null)
    case "balances":
      return Effect.map(desk.balances(word.purses), (balances) =>
        balances.map((balance) =>
          balance === undefined
            ? null
            : { ...balance, spent: String(balance.spent), reserved: String(balance.reserved) }
        ))
  }
}

/** The primary's part: a desk that answers its workers. */
export const keeper = (own: Desk.OwnDesk): Keeper => ({
  topic,
  answer: (body, worker) => Effect.flatMap(decodeWord(body), (word) => act(own, word, prefixOf(worker))),
  gone: (worker) => own.abandon(prefixOf(worker))
})

/** A desk elsewhere, asked over the fleet. */
export const remote = (ask: NonNullable<Fleet["Service"]["askPrimary"]>): Desk.Desk["Service"] => {
  const say = (body: typeof Word.Type): Effect.Effect<unknown, Desk.DeskFailed> =>
    Effect.mapError(ask({ topic, body }), failed)
  return Desk.Desk.of({
    enter: (order) =>
      say({
        word: "enter",
        ...order,
        purses: order.purses.map((purse) => ({ ...purse, limit: String(purse.limit) })),
        bound: String(order.bound)
      }).pipe(
        Effect.flatMap((said) => Effect.mapError(decodeOutcome(said), failed)),
        // It may have been granted without our hearing of it.
        Effect.tapError(() => Effect.ignore(say({ word: "leave", id: order.id, tokens: 0, spent: "0" })))
      ),
    // Nobody waits for it: what is said later is heard later.
    leave: (id, { spent, tokens }) =>
      Effect.asVoid(Effect.forkDetach(Effect.ignore(say({ word: "leave", id, tokens, spent: String(spent) })), {
        startImmediately: true
      })),
    tell: (told) =>
      Effect.asVoid(say({ word: "tell", told: told.map((one) => ({ ...one, spent: String(one.spent) })) })),
    balances: (purses) =>
      say({ word: "balances", purses: purses.map(({ name, per }) => ({ name, per })) }).pipe(
        Effect.flatMap((said) => Effect.mapError(decodeBalances(said), failed)),
        Effect.map((balances) =>
          balances.map((balance) =>
            balance === null
              ? undefined
              : { endMs: balance.endMs, spent: money(balance.spent), reserved: money(balance.reserved) }
          )
        )
      )
  })
}

/** The primary's desk for its worker, and a desk of its own for a process alone. */
export const layer: Layer.Layer<Desk.Desk, never, Fleet> = Layer.unwrap(
  Effect.map(
    Fleet,
    ({ askPrimary }) => askPrimary === undefined ? Desk.layerMemory : Layer.succeed(Desk.Desk, remote(askPrimary))
  )
)
