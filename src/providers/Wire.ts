/**
 * A provider of any dialect over the Transport: one attempt per call, the request in the dialect's words up, the answer in OpenAI's
 * shape down. With several credentials one is used until the upstream refuses it or slows it down, then the next.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import { type GatewayError, gatewayError, MalformedAnswer, type Reason, type Used } from "../domain/GatewayError.ts"
import type { Asked, Credentials, Noted } from "../resilience/Credential.ts"
import type { Dialect, EventParser, Fallback, Lowered, ReadAnswer, StreamMachine } from "./Dialect.ts"
import { ChatStream } from "./protocols/OpenAiChatStream.ts"
import type { Answer, AnswerStream, Frame, Provider, ProviderCall } from "./Provider.ts"
import { SseParser } from "./Sse.ts"
import type { TransportResponse, WholeResponse } from "./Transport.ts"
import { Transport } from "./Transport.ts"
import { Ending } from "./TransportExchange.ts"
import { isGood, isJson, refusalOf, requestIdOf } from "./WireReply.ts"
import { beside, type Endpoint, inFull, isReason, requestTo } from "./WireRequest.ts"
import { embedding } from "./WireVectors.ts"

export interface WireOptions {
  readonly dialect: Dialect
  readonly name: string
  readonly kind: string
  readonly models?: ReadonlyArray<string> | undefined
  readonly deployments?: Provider["deployments"]
  /** Where it is. */
  readonly baseUrl: string
  /** One for each credential. */
  readonly endpoints: readonly [Effect.Effect<Endpoint, GatewayError>, ...Array<Effect.Effect<Endpoint, GatewayError>>]
  /** What becomes of the credentials; absent = the upstream asks for none, so there is none that it could reject. */
  readonly credentials?: Credentials | undefined
}

const serverOf = (baseUrl: string): Provider["server"] => {
  const url = URL.parse(baseUrl)
  if (url === null) return undefined
  return { address: url.hostname, port: Number(url.port || (url.protocol === "http:" ? 80 : 443)) }
}

type Frames = readonly [Frame, ...Array<Frame>]

const isFilled = (frames: Array<Frame>): frames is [Frame, ...Array<Frame>] => frames.length > 0

const refusal = (
  { family }: Dialect,
  response: TransportResponse,
  nowMs: number
): Effect.Effect<never, GatewayError> =>
  Effect.flatMap(
    Effect.orElseSucceed(response.text, () => ""),
    (text) => Effect.fail(refusalOf(family, response, text, nowMs))
  )

/** Hears of a failure of the call, whenever it comes; to be waited for before the call is made again. */
type Hear = (reason: Reason) => Effect.Effect<void>

/** With what the answer used, where its upstream has said all of it. */
const failureOf = (reason: Reason, usage: Used["usage"]): GatewayError =>
  usage === undefined || usage.totalTokens === 0
    ? gatewayError(reason)
    : gatewayError(reason, { usage, isUntold: false })

/** The events of an answer, until it ends, breaks or is found broken. `hear` is told what the upstream says is wrong. */
const readStream = (
  response: TransportResponse,
  machine: StreamMachine,
  parser: EventParser,
  hear: Hear
): Pick<AnswerStream, "pull" | "take" | "nudge" | "skipped"> => {
  let ending: Ending | undefined
  let nudged: Frames | undefined

  const judge = (): void => {
    if (machine.failure !== undefined) {
      ending ??= new Ending(
        Effect.andThen(hear(machine.failure), Effect.fail(failureOf(machine.failure, machine.used)))
      )
    } else if (machine.isDone) {
      response.markComplete()
      ending = new Ending(Cause.done())
    } else if (parser.isTooLarge) {
      const tooLarge = new MalformedAnswer({ message: "The upstream sent an event of more than 1 MiB." })
      ending = new Ending(Effect.fail(gatewayError(tooLarge)))
    }
  }
  const deliver = (frames: Array<Frame>): Frames | Ending | undefined => {
    if (machine.failure !== undefined && ending === undefined) machine.tell?.(frames)
    judge()
    return isFilled(frames) ? frames : ending
  }
  const nudge = (frames: Frames): void => {
    nudged = frames
    response.look()
  }
  const onPull = (): Frames | Ending | undefined => {
    if (nudged === undefined) return ending
    const frames = nudged
    nudged = undefined
    return frames
  }
  const read = (chunk: Uint8Array, frames: Array<Frame>): void => {
    const at = machine.repeats !== undefined && parser.isIdle ? machine.repeats(chunk, frames) : 0
    if (at === chunk.length) return
    for (const event of parser.push(at === 0 ? chunk : chunk.subarray(at))) machine.next(event, frames)
  }
  const { pull, take } = response.decoded<Frames>({
    onPull,
    onChunks: (arrived) => {
      const frames: Array<Frame> = []
      for (const chunk of arrived) read(chunk, frames)
      return deliver(frames)
    },
    onEnd: (failure) => {
      const frames: Array<Frame> = []
      if (failure === undefined) { for (const event of parser.end()) machine.next(event, frames) }
      // An answer that is complete in itself stays whole, however the connection ended.
      if (failure === undefined || machine.isComplete) machine.end(frames)
      else {
        machine.tell?.(frames)
        ending = new Ending(Effect.fail(failure))
      }
      return deliver(frames) ?? new Ending(Cause.done())
    }
  })
  return { pull, take, nudge, skipped: () => machine.skippedEvents }
}

/** A whole answer where a stream was asked for, as the one event that it amounts to. */
const asEvent = ({ completion, text }: ReadAnswer) => {
  const { object: _, ...rest }: { readonly object: string } = JSON.parse(text)
  const choices = completion.choices.map(({ finish_reason, index, message }) => ({
    index,
    finish_reason,
    delta: { ...message, tool_calls: message.tool_calls?.map((call, at) => ({ ...call, index: at })) }
  }))
  return { event: "", data: JSON.stringify({ ...rest, choices }), bytes: undefined }
}

const includesUsage = (call: ProviderCall): boolean => call.request.stream_options?.include_usage === true

const fallbackOf = (call: ProviderCall, nowMs: number): Fallback => ({
  id: `chatcmpl-${call.requestId}`,
  created: Math.floor(nowMs / 1000),
  model: call.model,
  nowMs
})

/** A refresh that has begun is waited for. A credential that has just died is told of, because somebody has to mend it. */
const heed = (provider: string, index: number, { death, refresh }: Noted): Effect.Effect<void> =>
  death === undefined
    ? refresh ?? Effect.void
    : Effect.logWarning(`credential ${index + 1} of ${provider}: usable to dead (${death})`).pipe(
      Effect.annotateLogs({
        "event.name": "breakwater.credential.transition",
        "breakwater.provider": provider,
        credential: index + 1,
        cause: death
      })
    )

/** Where there is no credential nobody has to be told. */
const hearNothing: Hear = () => Effect.void

/** A provider over any endpoint of this dialect. */
export const makeWire = (options: WireOptions): Effect.Effect<Provider, never, Transport> =>
  Effect.map(Transport, (transport): Provider => {
    const { credentials, dialect, endpoints } = options
    const { embeddings, moderations } = dialect
    const withEndpoint = <A, R>(
      call: Pick<ProviderCall, "model">,
      use: (endpoint: Endpoint, hear: Hear) => Effect.Effect<A, GatewayError, R>,
      asked: Asked = "chat"
    ): Effect.Effect<A, GatewayError, R> => {
      if (credentials === undefined) return Effect.flatMap(endpoints[0], (endpoint) => use(endpoint, hearNothing))
      return Effect.withFiber((fiber) => {
        const clock = fiber.getRef(Clock.Clock)
        const mine = credentials.pick(call.model, clock)
        const hear: Hear = (reason) =>
          heed(options.name, mine.index, credentials.note(mine, call.model, reason, clock, asked))
        return Effect.flatMap(endpoints[mine.index] ?? endpoints[0], (endpoint) => use(endpoint, hear)).pipe(
          Effect.tapError(({ reason }) => hear(reason))
        )
      })
    }
    return {
      name: options.name,
      kind: options.kind,
      models: options.models ?? [],
      deployments: options.deployments,
      server: serverOf(options.baseUrl),
      keepsLimit: true,
      credentials,
      complete: (call) =>
        withEndpoint(call, (endpoint) => {
          const lowered = lower(dialect, call, false)
          return isReason(lowered)
            ? Effect.fail(gatewayError(lowered))
            : complete(dialect, call, lowered, transport.whole(requestTo(endpoint, call, lowered, false), call.limit))
        }),
      stream: (call) =>
        Effect.flatMap(
          Effect.scope,
          (scope) =>
            withEndpoint(call, (endpoint, hear) => {
              const lowered = lower(dialect, call, true)
              if (isReason(lowered)) return Effect.fail(gatewayError(lowered))
              const sent = transport.requestIn(requestTo(endpoint, call, lowered, true), scope)
              return stream(dialect, call, lowered, sent, hear)
            })
        ),
      embed: embeddings &&
        ((call) =>
          withEndpoint(
            call,
            (endpoint) => embedding({ transport, endpoint, family: dialect.family, embeddings, call }),
            "vectors"
          )),
      embeds: embeddings?.embeds,
      moderate: moderations && ((call) =>
        withEndpoint(call, (endpoint) => {
          const sent = transport.whole(requestTo(beside(endpoint, "/moderations"), {}, moderations.lower(call), false))
          return reply(dialect, sent, (text, nowMs) => moderations.readAnswer(text, call, nowMs))
        }, "moderation"))
    }
  })

const lower = (dialect: Dialect, call: ProviderCall, stream: boolean): Lowered | Reason =>
  inFull(call, dialect.lower(call, stream))

/** A good answer's body that is no answer, with what it says it used: its upstream charges for that all the same. */
const noAnswer = (dialect: Dialect, reason: Reason, text: string, fallback: Fallback): GatewayError =>
  failureOf(reason, dialect.usedIn?.(text, fallback))

const complete = (
  dialect: Dialect,
  call: ProviderCall,
  { dropped }: Lowered,
  sent: Effect.Effect<WholeResponse, GatewayError>
) =>
  Effect.flatMap(sent, (response) =>
    Effect.withFiber<Answer, GatewayError>((fiber) => {
      const nowMs = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
      if (!isGood(response)) return Effect.fail(refusalOf(dialect.family, response, response.text, nowMs))
      const fallback = fallbackOf(call, nowMs)
      const read = dialect.readAnswer(response.text, fallback)
      if (isReason(read)) return Effect.fail(noAnswer(dialect, read, response.text, fallback))
      const { completion, text, usage } = read
      return Effect.succeed({ text, completion, usage, upstreamRequestId: requestIdOf(response), dropped })
    }))

/** What an answer beside chat is read as. */
const reply = <A extends object>(
  { family }: Dialect,
  sent: Effect.Effect<WholeResponse, GatewayError>,
  readAnswer: (text: string, nowMs: number) => A | Reason
) =>
  Effect.flatMap(sent, (response) =>
    Effect.withFiber<A, GatewayError>((fiber) => {
      const nowMs = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
      if (!isGood(response)) return Effect.fail(refusalOf(family, response, response.text, nowMs))
      const read = readAnswer(response.text, nowMs)
      return isReason(read) ? Effect.fail(gatewayError(read)) : Effect.succeed(read)
    }))

const stream = Effect.fnUntraced(function*(
  dialect: Dialect,
  call: ProviderCall,
  { dropped }: Lowered,
  sent: Effect.Effect<TransportResponse, GatewayError>,
  hear: Hear
) {
  const response = yield* sent
  const nowMs = yield* Clock.currentTimeMillis
  if (!isGood(response)) return yield* refusal(dialect, response, nowMs)
  const fallback = fallbackOf(call, nowMs)
  const options = { includeUsage: includesUsage(call), choices: call.request.n ?? undefined, fallback }
  const upstreamRequestId = requestIdOf(response)
  if (!isJson(response)) {
    const reading = readStream(response, dialect.openStream(options), dialect.openParser?.() ?? new SseParser(), hear)
    const opened: AnswerStream = { ...reading, stop: response.stop, upstreamRequestId, dropped }
    return opened
  }
  const text = yield* response.text
  const read = dialect.readAnswer(text, fallback)
  if (isReason(read)) return yield* Effect.fail(noAnswer(dialect, read, text, fallback))
  const frames: Array<Frame> = []
  const machine = new ChatStream(options)
  machine.next(asEvent(read), frames)
  machine.end(frames)
  const pull = Effect.suspend((): Pull.Pull<Frames, GatewayError> => {
    const [first, ...rest] = frames.splice(0)
    return first === undefined ? Cause.done() : Effect.succeed<Frames>([first, ...rest])
  })
  const whole: AnswerStream = { pull, upstreamRequestId, dropped }
  return whole
})
