/**
 * The completions handler. Nothing is sent before the flow has an answer or a committed stream, so the status is honest; after
 * that a failure is one error event and no `[DONE]`.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { Api } from "../api/Api.ts"
import { errorFrame, errorResponse } from "../api/ErrorBody.ts"
import { type GatewayError, gatewayError, type Reason } from "../domain/GatewayError.ts"
import { Completion, type CompletionRequest } from "../gateway/Completion.ts"
import { describeCause, EventLog, type EventLogShape } from "../observability/Logger.ts"
import type { AnswerStream, Frame } from "../providers/Provider.ts"
import { CurrentExchange, type Exchange, internalFailure } from "./Exchange.ts"
import { checkChat, judgeMediaType, readText } from "./RequestBody.ts"
import { ServerOptions, type ServerSettings } from "./ServerSettings.ts"

type Response = HttpServerResponse.HttpServerResponse

/** What every answer says about how it came to be. */
const answerHeaders = (exchange: Exchange): Record<string, string> => {
  const { decision } = exchange
  const headers: Record<string, string> = {
    "x-request-id": exchange.requestId,
    "x-breakwater-attempts": String(decision.attempts.length)
  }
  if (decision.provider !== undefined) headers["x-breakwater-provider"] = decision.provider
  if (decision.model !== undefined) headers["x-breakwater-model"] = decision.model
  return headers
}

const refuse = (exchange: Exchange, reason: Reason): Response => {
  exchange.decision.error = reason._tag
  return errorResponse(reason, answerHeaders(exchange))
}

const done = new TextEncoder().encode("data: [DONE]\n\n")

type Bytes = readonly [Uint8Array, ...Array<Uint8Array>]

const frameBytes = (frames: ReadonlyArray<Frame>): Bytes | undefined => {
  const out: Array<Uint8Array> = []
  for (const frame of frames) if (frame.bytes !== undefined) out.push(frame.bytes)
  const [first, ...rest] = out
  return first === undefined ? undefined : [first, ...rest]
}

const tellDefect = (cause: Cause.Cause<unknown>, exchange: Exchange, log: EventLogShape) =>
  Effect.clockWith((clock) =>
    Effect.sync(() =>
      log.event("error", clock.currentTimeMillisUnsafe(), "A stream ended in a defect", {
        "event.name": "breakwater.stream.defect",
        "breakwater.request.id": exchange.requestId,
        ...describeCause(cause)
      })
    )
  )

/** The answer's frames as bytes, then `[DONE]` after a clean end, one error event after any other, nothing after an interrupt. */
const encodeFrames = (answer: AnswerStream, exchange: Exchange, log: EventLogShape): Pull.Pull<Bytes> => {
  let ended = false
  const finish = (last: Uint8Array): Effect.Effect<Bytes> => {
    ended = true
    return Effect.succeed([last])
  }
  const next: Pull.Pull<Bytes> = Effect.suspend(() =>
    ended ? Cause.done() : Effect.matchCauseEffect(answer.pull, {
      onSuccess: (frames): Pull.Pull<Bytes> => {
        const bytes = frameBytes(frames)
        return bytes === undefined ? next : Effect.succeed(bytes)
      },
      onFailure: (cause): Pull.Pull<Bytes> => {
        if (Pull.isDoneCause(cause)) return finish(done)
        if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
        const failure = Option.getOrUndefined(Cause.findErrorOption(cause))
        const reason = failure !== undefined && failure._tag === "GatewayError" ? failure.reason : internalFailure
        exchange.decision.error = reason._tag
        const last = finish(errorFrame(reason))
        return reason === internalFailure ? Effect.andThen(tellDefect(cause, exchange, log), last) : last
      }
    })
  )
  return next
}

const streamHeaders = (exchange: Exchange): Record<string, string> => {
  const headers = answerHeaders(exchange)
  headers["cache-control"] = "no-cache"
  headers["x-accel-buffering"] = "no"
  return headers
}

const wantedTimeout = (header: string | undefined): number | undefined =>
  header !== undefined && /^[1-9]\d{0,8}$/.test(header) ? Number(header) : undefined

/** One request through the flow. */
const answer = (
  completion: Completion["Service"],
  settings: ServerSettings,
  log: EventLogShape,
  request: HttpServerRequest.HttpServerRequest,
  exchange: Exchange
) => {
  const { headers } = request
  const wrongType = judgeMediaType(headers["content-type"])
  if (wrongType !== undefined) return Effect.succeed(refuse(exchange, wrongType))
  const timeoutMs = wantedTimeout(headers["x-request-timeout-ms"])
  const run = Effect.flatMap(readText(request, settings.limits.body), (text) => {
    const checked = checkChat(text, settings.limits)
    if ("_tag" in checked) return Effect.fail(gatewayError(checked))
    const { decision } = exchange
    decision.alias = checked.request.model
    decision.stream = checked.request.stream === true
    const input: CompletionRequest = { ...checked, decision, timeoutMs }
    return decision.stream
      ? Effect.map(
        completion.stream(input),
        (stream) =>
          HttpServerResponse.stream(Stream.fromPull(Effect.succeed(encodeFrames(stream, exchange, log))), {
            contentType: "text/event-stream; charset=utf-8",
            headers: streamHeaders(exchange)
          })
      )
      : Effect.map(
        completion.complete(input),
        (whole) =>
          HttpServerResponse.text(whole.text, { contentType: "application/json", headers: answerHeaders(exchange) })
      )
  })
  return Effect.catch(run, (error: GatewayError) => Effect.succeed(refuse(exchange, error.reason)))
}

/** The completions of the contract. Requires the flow, the settings and the client's lock. */
export const layer = HttpApiBuilder.group(Api, "completions", (handlers) =>
  Effect.gen(function*() {
    const completion = yield* Completion
    const settings = yield* ServerOptions
    const log = yield* EventLog
    return handlers.handleRaw("create", ({ request }) =>
      Effect.withFiber((fiber) =>
        answer(completion, settings, log, request, fiber.getRef(CurrentExchange))
      ))
  }))
