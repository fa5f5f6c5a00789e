/**
 * A misbehaving OpenAI-compatible provider on raw sockets. The request's `model` names the scenario, with parameters after
 * colons (`cut:40`, `429-retry-after:2`) and an optional `#tag` that gives a test its own count of attempts (`500-once#a`).
 * Every attempt is logged. `README.md` lists all scenarios; `scenarios.ts` says what the gateway must make of the chief ones.
 */
import * as Effect from "effect/Effect"
import type { AddressInfo } from "node:net"
import { createServer } from "node:net"
import type { Outage } from "./Catalogue.ts"
import type { Server } from "./Connection.ts"
import { accept } from "./Connection.ts"
import type { Attempt } from "./Exchange.ts"
import { makeJournal } from "./Journal.ts"

export type { Outage } from "./Catalogue.ts"
export type { Attempt } from "./Exchange.ts"

export interface Options {
  /** Seed of every random choice; default 1. */
  readonly seed?: number
  /** Divides all delays, so that tests run fast; default 1. Silence stays silence. */
  readonly scale?: number
  /** Part of every reply's id, to tell two servers apart; default `primary`. */
  readonly name?: string
  /** Default 0: a port that is free. */
  readonly port?: number
}

export interface Upstream {
  /** The base URL a client is given: `http://127.0.0.1:port/v1`. */
  readonly url: string
  readonly attempts: ReadonlyArray<Attempt>
  /** The attempts whose model was exactly this text, parameters and tag included. */
  readonly attemptsOf: (scenario: string) => ReadonlyArray<Attempt>
  /** Connections that are not closed on both sides. */
  readonly openSockets: number
  /** Calls the listener at each new attempt; answers a way to stop that. */
  readonly onAttempt: (listener: (attempt: Attempt) => void) => () => void
  /** Resolves at the first event that makes the predicate true; rejects with the log after `limitMs`, default 5000. */
  readonly waitFor: (predicate: (upstream: Upstream) => boolean, limitMs?: number) => Promise<void>
  /** From now on every completion meets this outage, whatever its scenario; without an argument the outage is over. */
  readonly outage: (kind?: Outage) => void
  /** Forgets the log and the counts, ends an outage, and starts the seed again; connections stay. */
  readonly reset: () => void
  readonly close: () => Promise<void>
}

/** mulberry32 */
const makeRandom = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const listen = (
  server: Server,
  port: number
): Promise<{ readonly port: number; readonly close: () => Promise<void> }> =>
  new Promise((resolve, reject) => {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accept(server, socket))
    const close = () =>
      new Promise<void>((done) => {
        listener.close(() => done())
        for (const socket of server.connections) socket.destroy()
      })
    listener.once("error", reject)
    listener.listen(port, "127.0.0.1", () => {
      // A server that listens on a TCP port has such an address.
      resolve({ port: (listener.address() as AddressInfo).port, close })
    })
  })

/** Starts a server on 127.0.0.1; several may run at once. */
export const start = async (options: Options = {}): Promise<Upstream> => {
  const seed = options.seed ?? 1
  const journal = makeJournal()
  const server: Server = {
    name: options.name ?? "primary",
    scale: options.scale ?? 1,
    journal,
    connections: new Set(),
    random: makeRandom(seed),
    outage: undefined,
    sockets: 0,
    serial: 0
  }
  const { close, port } = await listen(server, options.port ?? 0)
  const upstream: Upstream = {
    url: `http://127.0.0.1:${port}/v1`,
    attempts: journal.attempts,
    attemptsOf: (scenario) => journal.attempts.filter((attempt) => attempt.scenario === scenario),
    get openSockets() {
      return server.connections.size
    },
    onAttempt: journal.onAttempt,
    waitFor: (predicate, limitMs = 5000) => journal.waitFor(() => predicate(upstream), limitMs),
    outage: (kind) => {
      server.outage = kind
    },
    reset: () => {
      journal.clear()
      server.outage = undefined
      server.random = makeRandom(seed)
    },
    close
  }
  return upstream
}

/** The same as a scoped Effect: the server is closed with the scope. */
export const acquire = (options?: Options) =>
  Effect.acquireRelease(Effect.promise(() => start(options)), (upstream) => Effect.promise(upstream.close))
