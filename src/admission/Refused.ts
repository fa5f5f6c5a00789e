/** What a caller is told that is not admitted: of its own limits and budget all, of what it shares with others only that it is used up. */
import * as DateTime from "effect/DateTime"
import {
  AdmissionUnavailable,
  BudgetExhausted,
  CallerRateLimited,
  Forbidden,
  type GatewayError,
  gatewayError,
  ModelNotFound
} from "../domain/GatewayError.ts"
import { type PicoUsd, toUsd } from "../domain/Money.ts"
import type { Refusal } from "./Desk.ts"

const seconds = (ms: number): string => `${Math.ceil(ms / 100) / 10} s`

/** In a caller's words; of what others share only that it is used up. `bound`: what a budget would have held. */
export const errorOf = (
  { left, limit, name, retryAfterMs, untilMs = 0, why }: Refusal,
  bound: PicoUsd
): GatewayError => {
  const isOwn = name.startsWith("key:")
  const whose = isOwn
    ? "this key"
    : name.startsWith("model:")
    ? `the model '${name.slice(6)}'`
    : "its operator's account"
  if (why === "budget") {
    const amount = isOwn
      ? `The budget of this key is ${limit}, and the ${left} USD that are left do not cover the ${
        toUsd(bound)
      } USD that `
        + "this request may cost."
      : "A budget that this key shares does not cover what this request may cost."
    const until = DateTime.formatIso(DateTime.makeUnsafe(untilMs))
    return gatewayError(
      new BudgetExhausted({
        message: `${amount} It begins anew at ${until}; until then a smaller max_tokens may fit.`,
        retryAfterMs
      })
    )
  }
  const most = why === "concurrent" ? `${limit} requests at once` : `${limit} ${why} a minute`
  return gatewayError(
    new CallerRateLimited({
      message: `Rate limit reached: ${whose} has ${most}. Try again in ${seconds(retryAfterMs)}.`,
      retryAfterMs
    })
  )
}

/** A hole in a budget that its operator may allow. */
export const unpriced = gatewayError(
  new Forbidden({
    message:
      "A budget rules this request, and a target that may answer it has no known price. Its operator can set one "
      + "(providers.NAME.prices) or allow it (server.budgets.unpriced).",
    code: "model_unpriced"
  })
)

/** Nobody knows what it has used. */
export const away = gatewayError(
  new AdmissionUnavailable({
    message: "What this key has used cannot be looked up now.",
    retryAfterMs: 1000
  })
)

/** As for a model that is nobody's, so that a key cannot find out what others may call. */
export const noModel = (model: string): GatewayError =>
  gatewayError(
    new ModelNotFound({
      message: `The model '${
        model.slice(0, 200)
      }' does not exist or this key may not call it. GET /v1/models lists what it may.`,
      param: "model"
    })
  )
