/**
 * The only place that opens a connection to an upstream. Plain undici callbacks inside, because this is the hot path; the
 * flow's clocks bound headers and bodies, so the only clock here is the connect timeout. Closing the scope, or interrupting,
 * destroys the socket in every phase.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Dispatcher } from "undici"
import { buildConnector, Client } from "undici"
import type { GatewayError } from "../domain/GatewayError.ts"
import { gatewayError, InternalFailure } from "../domain/GatewayError.ts"
import { Roster } from "../resilience/Roster.ts"
import { makeAlert } from "./Certificates.ts"
import type { Limit, Wire } from "./Provider.ts"
import * as TransportConnections from "./TransportConnections.ts"
import type { Decoded, Decoder, ResponseHeaders } from "./TransportExchange.ts"
import { Exchange } from "./TransportExchange.ts"
import * as TransportOverflow from "./TransportOverflow.ts"

export interface TransportSettings {
  /** Milliseconds to a usable connection, TLS included; default 5000. */
  readonly connectTimeoutMs: number
  /** Milliseconds an idle connection is kept when the upstream says nothing about it; default 30000. */
  readonly keepAliveMs: number
  /** Bytes of a whole answer read by `text`; default 32 MiB. More is a malformed answer. */
  readonly maxAnswerBytes: number
  /** Milliseconds that an answer which is complete may take to end its body, so that its connection is reused; default 250. */
  readonly lingerMs: number
}

const defaultTransportSettings: TransportSettings = {
  connectTimeoutMs: 5000,
  keepAliveMs: 30_000,
  maxAnswerBytes: 32 * 1024 ** 2,
  lingerMs: 250
}

export interface TransportRequest {
  /** Default POST. */
  readonly method?: "GET" | "POST"
  /** `https://host:port`, without a path. */
  readonly origin: string
  /** Path and query, beginning with a slash. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Absent where nobody looks. */
  readonly wire?: Wire | undefined
}

export interface TransportResponse {
  /** Makes the read that waits, or the next one, fail with this; the socket goes with the scope. */
  readonly stop: (error: GatewayError) => void
  /** Lets the read that waits ask its decoder again. */
  readonly look: () => void
  readonly status: number
  /** Names are lower case; a repeated header is a list. */
  readonly headers: ResponseHeaders
  /** The whole body as text, without a byte order mark. Use either this or `decoded`. */
  readonly text: Effect.Effect<string, GatewayError>
  /** What the decoder makes of what has arrived since the last pull, uncopied; one wake-up per read of the socket. */
  readonly decoded: <A>(decoder: Decoder<A>) => Decoded<A>
  /** Says that the answer is complete though its body has not ended; closing the scope then lets the body end by itself. */
  readonly markComplete: () => void
}

/** An answer whose body has been read to its end; a refusal says enough by its status, so its text is empty if it broke off. */
export type WholeResponse = Pick<TransportResponse, "status" | "headers"> & { readonly text: string }

/**
 * Fails with UpstreamUnreachable, UpstreamTimedOut (connect only), ConnectionReset before the response, MalformedAnswer for
 * what is not HTTP, StreamInterrupted inside the body. A reset on a reused connection before any byte of the response is
 * tried again once on a fresh one, for free. Redirects are answers.
 */
export class Transport extends Context.Service<Transport, {
  readonly request: (request: TransportRequest) => Effect.Effect<TransportResponse, GatewayError, Scope.Scope>
  /** The same with the scope in hand; looking one up in the context is a cost that shows on the hot path. */
  readonly requestIn: (request: TransportRequest, scope: Scope.Scope) => Effect.Effect<TransportResponse, GatewayError>
  /** The request and the whole of its answer, waited for once and no longer than the limit. */
  readonly whole: (request: TransportRequest, limit?: Limit) => Effect.Effect<WholeResponse, GatewayError>
}>()("breakwater/providers/Transport") {}

const optionsOf = (request: TransportRequest) => ({
  origin: request.origin,
  path: request.path,
  method: request.method ?? "POST",
  headers: request.headers,
  body: request.body ?? null
} satisfies Dispatcher.DispatchOptions)

const makeConnections = (settings: TransportSettings) => {
  // Set while a request is dispatched: a connection that is opened then is that request's own and fresh.
  let current: Exchange | undefined
  const waiting = new Roster<Exchange>()
  const connect = buildConnector({ timeout: settings.connectTimeoutMs, allowH2: false })
  const connector: buildConnector.connector = (options, callback) => {
    const exchange = current
    const socket: unknown = connect(options, callback)
    TransportOverflow.guard(socket)
    if (exchange !== undefined) exchange.ownConnection(socket)
    // A client that is busy with the end of its last connection opens the next one later: it is for one of these.
    else for (const one of waiting.members()) one.ownConnection(undefined)
  }
  const options = {
    connect: connector,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: settings.keepAliveMs
  } as const
  const connections = TransportConnections.make(options)
  const dispatchOn = (
    dispatcher: Pick<TransportConnections.Connections, "dispatch">,
    request: TransportRequest,
    exchange: Exchange
  ): void => {
    current = exchange
    waiting.add(exchange)
    try {
      dispatcher.dispatch(optionsOf(request), exchange)
    } catch (error) {
      exchange.onResponseError(undefined, error)
    }
    current = undefined
  }
  return {
    waiting,
    dispatch: (request: TransportRequest, exchange: Exchange) => dispatchOn(connections, request, exchange),
    /** On a connection of its own that is closed afterwards. */
    dispatchFresh: (request: TransportRequest, exchange: Exchange) => {
      const client = new Client(request.origin, options)
      dispatchOn(client, request, exchange)
      client.close(() => undefined)
    },
    destroy: Effect.promise(() => connections.destroy())
  }
}

const responseOf = (exchange: Exchange): TransportResponse => ({
  stop: (error) => exchange.stop(error),
  look: () => exchange.look(),
  status: exchange.status,
  headers: exchange.headers,
  text: exchange.text,
  decoded: (decoder) => exchange.decoded(decoder),
  markComplete: () => {
    exchange.complete = true
  }
})

const make = Effect.fnUntraced(function*(settings: TransportSettings) {
  const connections = makeConnections(settings)
  const scope = yield* Effect.scope
  yield* Scope.addFinalizer(scope, connections.destroy)
  const release = (exchange: Exchange) =>
    Effect.suspend(() => {
      if (!exchange.complete || exchange.isOver) return Effect.sync(() => exchange.close())
      exchange.discard()
      return Effect.asVoid(
        Effect.forkIn(Effect.delay(Effect.sync(() => exchange.close()), settings.lingerMs), scope)
      )
    })
  const invalidPath = Effect.fail(
    gatewayError(new InternalFailure({ message: "The upstream's path is not valid." }))
  )
  const alert = makeAlert()
  const failing = ({ origin }: TransportRequest, { distrust }: Exchange, failure: GatewayError) =>
    distrust === undefined
      ? Effect.fail(failure)
      : Effect.andThen(alert(origin, distrust), Effect.fail(failure))
  const isPath = (path: string): boolean => /^\/[^\s]*$/.test(path)
  const whole = (request: TransportRequest, limit?: Limit): Effect.Effect<WholeResponse, GatewayError> => {
    if (!isPath(request.path)) return invalidPath
    return Effect.callback((resume) => {
      const settle = (result: Effect.Effect<WholeResponse, GatewayError>): void => {
        callOff?.()
        exchange.close()
        resume(result)
      }
      const take = (read: string | GatewayError): void => {
        const { headers, status } = exchange
        if (typeof read === "string") settle(Effect.succeed({ status, headers, text: read }))
        else settle(status >= 300 ? Effect.succeed({ status, headers, text: "" }) : Effect.fail(read))
      }
      const exchange: Exchange = new Exchange({
        waiting: connections.waiting,
        maxBytes: settings.maxAnswerBytes,
        onHead: (failure) => {
          if (failure !== undefined) return settle(failing(request, exchange, failure))
          request.wire?.head(exchange.status)
          exchange.onWhole(take)
        },
        retry: () => {
          request.wire?.resend()
          connections.dispatchFresh(request, exchange)
        }
      })
      const callOff = limit?.((error) => settle(Effect.fail(error)))
      request.wire?.send(request.origin, request.path, request.method ?? "POST")
      connections.dispatch(request, exchange)
      return Effect.sync(() => {
        callOff?.()
        exchange.close()
      })
    })
  }
  const requestIn = (request: TransportRequest, own: Scope.Scope): Effect.Effect<TransportResponse, GatewayError> => {
    if (!isPath(request.path)) return invalidPath
    return Effect.suspend(() => {
      let onHead = (_: GatewayError | undefined): void => undefined
      const exchange: Exchange = new Exchange({
        waiting: connections.waiting,
        maxBytes: settings.maxAnswerBytes,
        onHead: (failure) => onHead(failure),
        retry: () => {
          request.wire?.resend()
          connections.dispatchFresh(request, exchange)
        }
      })
      const head = Effect.callback<TransportResponse, GatewayError>((resume) => {
        onHead = (failure) => {
          if (failure === undefined) request.wire?.head(exchange.status)
          resume(failure === undefined ? Effect.succeed(responseOf(exchange)) : failing(request, exchange, failure))
        }
        request.wire?.send(request.origin, request.path, request.method ?? "POST")
        connections.dispatch(request, exchange)
        return Effect.sync(() => exchange.close())
      })
      return Effect.andThen(Scope.addFinalizer(own, release(exchange)), head)
    })
  }
  return Transport.of({
    requestIn,
    whole,
    request: (request) => Effect.flatMap(Effect.scope, (own) => requestIn(request, own))
  })
})

/** @param overrides changes to the defaults that `TransportSettings` names */
export const layer = (overrides: Partial<TransportSettings> = {}): Layer.Layer<Transport> =>
  Layer.effect(Transport, make({ ...defaultTransportSettings, ...overrides }))
