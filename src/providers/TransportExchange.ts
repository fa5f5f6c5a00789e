/**
 * One request on its way: undici's callbacks turned into a head, then a queue of the bytes that arrived. Bytes that have
 * arrived are delivered before the failure that followed them. Trap: undici calls back synchronously, several times per read.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type { GatewayError } from "../domain/GatewayError.ts"
import { gatewayError, MalformedAnswer } from "../domain/GatewayError.ts"
import type { Member, Roster } from "../resilience/Roster.ts"
import { Pieces } from "../validation/Pieces.ts"
import { isOfCertificate } from "./Certificates.ts"
import { ending } from "./Provider.ts"
import { codeOf, failureOf, isReset, type Phase } from "./TransportFailure.ts"

export type ResponseHeaders = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/** The part of undici's controller that is used. */
interface Controller {
  readonly abort: (reason: Error) => void
  readonly pause: () => void
  readonly resume: () => void
}

interface ExchangeOptions {
  /** Those that have not begun on a connection. */
  readonly waiting?: Roster<Exchange>
  readonly maxBytes: number
  /** Called once, with the failure or when the head is here. */
  readonly onHead: (failure: GatewayError | undefined) => void
  /** Sends the request again on a connection of its own. */
  readonly retry: () => void
}

/** How the reading of a body ends. */
export class Ending {
  readonly effect: Pull.Pull<never, GatewayError>

  constructor(effect: Pull.Pull<never, GatewayError>) {
    this.effect = effect
  }
}

/** Turns the bytes of a body into something else as they arrive, without an effect of its own for each read. */
export interface Decoder<A> {
  /** What can be said before anything is read, such as that nothing more is to come. */
  readonly onPull: () => A | Ending | undefined
  /** Never empty; undefined = nothing yet, read on. */
  readonly onChunks: (chunks: ReadonlyArray<Uint8Array>) => A | Ending | undefined
  /** The body ended, well or with a failure. */
  readonly onEnd: (failure: GatewayError | undefined) => A | Ending
}

/** What a decoder made, waited for by an effect, or taken by whoever can be woken; never by both at once. */
export interface Decoded<A> {
  readonly pull: Pull.Pull<A, GatewayError>
  /** What is there, `ending` where `pull` has the end, or undefined and `wake` is called once there is more to take. */
  readonly take: (wake: () => void) => A | typeof ending | undefined
}

/** Bytes that may wait for their reader before the socket is paused. */
const HIGH_WATER = 256 * 1024

const closed = new Error("closed")

const settled = Promise.resolve()

const textOf = ({ buffer, byteLength, byteOffset }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString()

/** The handler that undici drives. */
export class Exchange implements Member {
  place: number | undefined
  status = 0
  headers: ResponseHeaders = {}
  /** The answer is complete in itself; its body may still have to end. */
  complete = false
  /** The body ended or failed. */
  isOver = false
  /** What is wrong with the upstream's certificate; undefined where nothing is. */
  distrust: string | undefined

  private readonly options: ExchangeOptions
  private controller: Controller | undefined
  private socket: { readonly destroy: (error: Error) => void } | undefined
  private phase: Phase = "connecting"
  private isReused = true
  private hasBytes = false
  private isClosed = false
  private isDiscarding = false
  private isPaused = false
  /** What has come of a body that is read as a whole. */
  private pieces: Pieces | undefined
  private queue: Array<Uint8Array> = []
  private queuedBytes = 0
  private failure: GatewayError | undefined
  private reader: (() => void) | undefined
  private isWaking = false
  private readonly awake = (): void => {
    this.isWaking = false
    this.reader?.()
  }

  constructor(options: ExchangeOptions) {
    this.options = options
  }

  /** This request opened a connection of its own; `socket` is what to destroy while it is being opened. */
  ownConnection(socket: unknown): void {
    this.isReused = false
    if (typeof socket === "object" && socket !== null && "destroy" in socket && typeof socket.destroy === "function") {
      // The connector's declared type hides the socket that it returns.
      this.socket = socket as { readonly destroy: (error: Error) => void }
    }
  }

  onRequestStart(controller: Controller): void {
    this.options.waiting?.delete(this)
    this.controller = controller
    this.socket = undefined
    this.phase = "waiting"
    if (this.isClosed) controller.abort(closed)
  }

  onResponseStarted(): void {
    this.hasBytes = true
  }

  onResponseStart(_: Controller, status: number, headers: ResponseHeaders): void {
    if (status < 200) return
    this.status = status
    this.headers = headers
    this.phase = "body"
    if (!this.isClosed) this.options.onHead(undefined)
  }

  onResponseData(controller: Controller, chunk: Uint8Array): void {
    if (this.isDiscarding) return
    if (this.pieces !== undefined) {
      this.pieces.add(chunk)
      if (this.pieces.length > this.options.maxBytes) this.wake()
      return
    }
    this.queue.push(chunk)
    this.queuedBytes += chunk.length
    if (this.queuedBytes > HIGH_WATER) {
      this.isPaused = true
      controller.pause()
    }
    this.wake()
  }

  onResponseEnd(): void {
    this.isOver = true
    this.wake()
  }

  onResponseError(_: unknown, error: unknown): void {
    this.options.waiting?.delete(this)
    if (this.isClosed || this.isOver) return
    const code = codeOf(error)
    if (this.phase === "waiting" && this.isReused && !this.hasBytes && isReset(code)) {
      this.isReused = false
      this.phase = "connecting"
      this.options.retry()
      return
    }
    const isHeadless = this.phase !== "body"
    this.isOver = true
    this.failure = failureOf(code, this.phase)
    if (isOfCertificate(code)) this.distrust = code
    if (isHeadless) this.options.onHead(this.failure)
    else this.wake()
  }

  /** Destroys the socket unless the body has ended; nothing is reported afterwards. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.options.waiting?.delete(this)
    if (this.isOver) return
    this.isOver = true
    this.controller?.abort(closed)
    this.socket?.destroy(closed)
  }

  /** Fails whoever reads, as if the connection had. */
  stop(error: GatewayError): void {
    if (this.isOver) return
    this.failure = error
    this.wake()
  }

  /** Lets whoever reads look again. */
  look(): void {
    this.wake()
  }

  /** What still arrives is thrown away. */
  discard(): void {
    this.isDiscarding = true
    this.queue = []
    this.unpause()
  }

  private unpause(): void {
    this.queuedBytes = 0
    this.resumeReading()
  }

  private resumeReading(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.controller?.resume()
  }

  /** In a microtask, so that all that one read of the socket brought is taken at once. */
  private wake(): void {
    if (this.isWaking || this.reader === undefined) return
    this.isWaking = true
    // Not `queueMicrotask`, which makes an asynchronous resource of its own for each call.
    void settled.then(this.awake)
  }

  private untilWoken<A, E>(next: () => Effect.Effect<A, E> | undefined): Effect.Effect<A, E> {
    return Effect.suspend(() =>
      next() ?? Effect.callback<A, E>((resume) => {
        this.reader = () => {
          const result = next()
          if (result === undefined) return
          this.reader = undefined
          resume(result)
        }
        return Effect.sync(() => {
          this.reader = undefined
        })
      })
    )
  }

  /** A coding that was not asked for is not read: unpacking it would be a way to fill the memory. */
  private encodingProblem(): GatewayError | undefined {
    const encoding = this.headers["content-encoding"]
    if (encoding === undefined || encoding === "" || encoding === "identity") return undefined
    return gatewayError(
      new MalformedAnswer({ message: "The upstream's answer is compressed.", upstreamStatus: this.status })
    )
  }

  /** The whole body, or why there is none; undefined while it is still coming. */
  private readWhole(): string | GatewayError | undefined {
    const pieces = this.pieces ??= new Pieces()
    for (const chunk of this.queue) pieces.add(chunk)
    this.queue = []
    if (pieces.length > this.options.maxBytes) {
      this.close()
      return gatewayError(
        new MalformedAnswer({ message: "The upstream's answer is too large.", upstreamStatus: this.status })
      )
    }
    if (this.failure !== undefined) return this.failure
    if (!this.isOver) {
      this.resumeReading()
      return undefined
    }
    const problem = this.encodingProblem()
    if (problem !== undefined) return problem
    const text = textOf(pieces.whole)
    this.pieces = new Pieces()
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }

  /** Calls back once, with the whole body or why there is none. */
  onWhole(take: (read: string | GatewayError) => void): void {
    const look = (): void => {
      const read = this.readWhole()
      if (read === undefined) return
      this.reader = undefined
      take(read)
    }
    this.reader = look
    look()
  }

  decoded<A>({ onChunks, onEnd, onPull }: Decoder<A>): Decoded<A> {
    let end: Ending | undefined
    const next = (): A | Ending | undefined => {
      const known = end ?? onPull()
      if (known !== undefined) return known
      if (this.queue.length > 0) {
        const problem = this.encodingProblem()
        if (problem !== undefined) return new Ending(Effect.fail(problem))
        const arrived = this.queue
        this.queue = []
        this.unpause()
        const result = onChunks(arrived)
        if (result !== undefined) return result
      }
      if (this.failure !== undefined) return onEnd(this.failure)
      return this.isOver ? onEnd(undefined) : undefined
    }
    const pull = this.untilWoken<A, GatewayError | Cause.Done>(() => {
      const result = next()
      if (result instanceof Ending) return result.effect
      return result === undefined ? undefined : Effect.succeed(result)
    })
    const take = (wake: () => void): A | typeof ending | undefined => {
      const result = next()
      this.reader = result === undefined ? wake : undefined
      if (!(result instanceof Ending)) return result
      end = result
      return ending
    }
    return { pull, take }
  }

  get text(): Effect.Effect<string, GatewayError> {
    return this.untilWoken<string, GatewayError>(() => {
      const read = this.readWhole()
      if (read === undefined) return undefined
      return typeof read === "string" ? Effect.succeed(read) : Effect.fail(read)
    })
  }
}
