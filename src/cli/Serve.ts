/**
 * Serves until told to stop, then leaves in order: not ready but still serving, then closed to newcomers, then open streams
 * to their end or to the limit. Trap: the Node server closes when its scope does, so the first wait comes before that.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Settings } from "../config/Settings.ts"
import { limitConnections } from "./Connections.ts"
import * as Leaving from "./Leaving.ts"
import { answerParserFaults } from "./ParserFaults.ts"
import { Listener } from "./RequestScopes.ts"
import type { Signal } from "./Signals.ts"
import * as Tls from "./Tls.ts"

/** What a Node server layer gives to the application. */
export type Platform = Layer.Success<ReturnType<typeof NodeHttpServer.layer>>

/** An application that serves, until its scope closes. */
export interface Running {
  readonly setPhase: (phase: "ready" | "draining") => Effect.Effect<void>
  /** Puts the prices of these settings in force, and says of what they are different. */
  readonly reprice: (settings: Settings) => ReadonlyArray<string>
  /** Ends every open stream and every request without an answer with an error that says why, and all that come later. */
  readonly endStreams: Effect.Effect<void>
}

/** Everything that answers: the door, the flow behind it, and the health of both. */
export type Application<E = never> = Effect.Effect<Running, E, Platform | Listener | Scope.Scope>

/** After the limit for streams: time for the last words, in milliseconds, before every connection is cut. */
const lastWordsMs = 1000

/** How long a kept-alive connection outlasts the door, in milliseconds; never longer than we have been unready. */
const lingerMs = 1000

const makeServer = (settings: Settings, certificate: Tls.Certificate | undefined) =>
  Effect.withFiber((fiber) => {
    const { body, headers, idle } = settings.server.timeouts
    const options = {
      // A request without one is refused behind the door, where every error has the one shape.
      requireHostHeader: false,
      keepAliveTimeout: idle,
      headersTimeout: Math.min(headers, body),
      // To receive a whole request; answers may take as long as they like.
      requestTimeout: body,
      // How late a timeout may be noticed.
      connectionsCheckingInterval: Math.max(10, Math.min(5000, headers / 4, body / 4))
    }
    const server = certificate === undefined ? createServer(options) : Tls.createServer(options, certificate)
    limitConnections(server, settings.server)
    answerParserFaults(server, fiber)
    const leaving = Leaving.make(server, Math.min(lingerMs, settings.server.drain.notReady))
    return Effect.succeed({ server, leaving })
  })

/** The port opens before the application is there: what comes in between is kept for it, else it would never be answered. */
const holdEarly = (server: Server): void => {
  const early: Array<readonly [IncomingMessage, ServerResponse]> = []
  const hold = (request: IncomingMessage, response: ServerResponse) => void early.push([request, response])
  const release = (event: string) => {
    if (event !== "request") return
    server.off("newListener", release).off("request", hold)
    // This is told just before the application's listener is added.
    queueMicrotask(() => early.forEach(([request, response]) => server.emit("request", request, response)))
  }
  server.on("request", hold).on("newListener", release)
}

const listening = (server: Server, settings: Settings) =>
  NodeHttpServer.layer(() => server, {
    host: settings.server.host,
    port: settings.server.port,
    gracefulShutdownTimeout: settings.server.drain.streams + lastWordsMs
  })

/** From the moment of the signal to the moment before the scope closes. */
const leave = Effect.fnUntraced(
  function*(server: Server, leaving: Leaving.Leaving, running: Running, settings: Settings) {
    const { notReady, streams } = settings.server.drain
    yield* running.setPhase("draining")
    yield* Effect.logInfo(`draining: serving for ${notReady / 1000} s more; a second signal stops at once`).pipe(
      Effect.annotateLogs({ notReadyMs: notReady })
    )
    leaving.begin()
    yield* Effect.sleep(notReady)
    yield* Effect.logInfo("draining: closed to newcomers").pipe(Effect.annotateLogs({ streamsMs: streams }))
    leaving.closeDoor()
    yield* Effect.sleep(Math.min(lingerMs, notReady)).pipe(
      Effect.andThen(Effect.sync(leaving.closeIdle)),
      Effect.forkDetach
    )
    yield* Effect.sleep(streams).pipe(
      Effect.andThen(Effect.logInfo("draining: what is still open is ended")),
      Effect.andThen(running.endStreams),
      Effect.andThen(Effect.sleep(lastWordsMs)),
      Effect.andThen(Effect.sync(() => server.closeAllConnections())),
      Effect.forkDetach
    )
  }
)

/** Takes signals until it is told to stop; `onReload` answers SIGHUP. */
const untilStopped = <R>(
  signals: Queue.Dequeue<Signal>,
  onReload: Effect.Effect<void, never, R>
): Effect.Effect<void, never, R> =>
  Effect.flatMap(
    Queue.take(signals),
    (signal) => signal === "stop" ? Effect.void : Effect.andThen(onReload, untilStopped(signals, onReload))
  )

/** Where the process listens; `port` is the real one when 0 was asked for. */
const boundPort = (address: HttpServer.HttpServer["Service"]["address"], asked: number): number =>
  "port" in address ? address.port : asked

/** Serves in this process. Returns when everything has been answered or cut; the exit code is then 0. */
export const serveHere = <E, R>(options: {
  readonly settings: Settings
  /** Absent = plain HTTP. */
  readonly certificate?: Tls.Certificate | undefined
  readonly application: Application<E>
  readonly signals: Queue.Dequeue<Signal>
  readonly onReady: (port: number) => Effect.Effect<void>
  readonly onReload: (running: Running) => Effect.Effect<void, never, R>
}) =>
  Effect.scoped(Effect.gen(function*() {
    const { certificate, settings } = options
    const { leaving, server } = yield* makeServer(settings, certificate)
    holdEarly(server)
    const context = yield* Layer.build(listening(server, settings))
    const running = yield* Effect.provideContext(options.application, Context.add(context, Listener, server))
    yield* running.setPhase("ready")
    yield* options.onReady(boundPort(Context.get(context, HttpServer.HttpServer).address, settings.server.port))
    yield* untilStopped(options.signals, options.onReload(running))
    yield* leave(server, leaving, running, settings)
  })).pipe(Effect.andThen(Effect.logInfo("stopped")))
