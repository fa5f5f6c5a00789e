/**
 * What an upstream speaks: how a request is written in its dialect, and how its answers read in OpenAI's shape. `Wire.ts` makes a
 * provider of any of these. Nothing here may throw, whatever the upstream sends.
 */
import type { ChatCompletion } from "../domain/ChatAnswer.ts"
import type { Reason } from "../domain/GatewayError.ts"
import type { Usage } from "../domain/Usage.ts"
import type { EmbeddingAnswer, EmbeddingCall, Frame, Moderation, ModerationCall, ProviderCall } from "./Provider.ts"
import type { ErrorFamily } from "./ProviderError.ts"
import type { SseEvent } from "./Sse.ts"
import type { ResponseHeaders } from "./TransportExchange.ts"

/** A request in an upstream's dialect. */
export interface Lowered {
  readonly body: string
  /** Goes after the endpoint's path. */
  readonly path?: string | undefined
  /** Lower-case names; they come over the endpoint's, and over `accept`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Names of the caller's parameters that the dialect cannot say and that were left out; absent = none. */
  readonly dropped?: readonly [string, ...Array<string>] | undefined
}

/** What is said where the upstream does not say it. */
export interface Fallback {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
  /** Milliseconds since 1970, for the hints of an error. */
  readonly nowMs: number
  /** Usage is to say which model served, where the answer does; default no. */
  readonly tellsModel?: true | undefined
}

/** A whole answer in OpenAI's shape. `completion` is `text`, parsed. */
export interface ReadAnswer {
  readonly text: string
  readonly completion: ChatCompletion
  readonly usage: Usage | undefined
}

export interface StreamOptions {
  /** The caller asked for usage in the stream. */
  readonly includeUsage: boolean
  /** How many choices the caller asked for; default 1. */
  readonly choices?: number | undefined
  readonly fallback: Fallback
}

/** One streamed answer: an upstream's event in, the caller's frames out. `[DONE]` is the door's to write. */
export interface StreamMachine {
  /** The answer ended well: nothing follows. */
  readonly isDone: boolean
  /** Why the answer is broken; nothing follows. */
  readonly failure: Reason | undefined
  /** The answer is whole, however the connection ends. */
  readonly isComplete: boolean
  /** Events that could not be read and were passed over. */
  readonly skippedEvents: number
  /** Reads one event and appends the frames that it came to. */
  readonly next: (event: SseEvent, out: Array<Frame>) => void
  /** The body ended: well if the answer is complete, else as an interruption. */
  readonly end: (out: Array<Frame>) => void
  /** All that an answer used that failed at its very end; absent = it was not counted to its end. */
  readonly used?: Usage | undefined
  /** The answer broke off: what it has counted and not told yet; absent = it tells all at once. */
  readonly tell?: (out: Array<Frame>) => void
  /** Reads the events that repeat the last one, and says where in the bytes the first other one begins; absent = none does. */
  readonly repeats?: (bytes: Uint8Array, out: Array<Frame>) => number
}

/** Bytes to events. */
export interface EventParser {
  /** An event was larger than the limit: nothing is read any more. */
  readonly isTooLarge: boolean
  /** Nothing of an event has been read: what comes next begins one. */
  readonly isIdle: boolean
  readonly push: (chunk: Uint8Array) => ReadonlyArray<SseEvent>
  /** The last event where the body ended without what should have closed it. */
  readonly end: () => ReadonlyArray<SseEvent>
}

/** A request for vectors in an upstream's dialect. */
export interface LoweredVectors extends Pick<Lowered, "dropped"> {
  /** Several where the upstream takes fewer texts at once; they are sent side by side, and all of them must go well. */
  readonly parts: readonly [Lowered, ...Array<Lowered>]
}

/** The body of an answer of status 200 to one part. */
export interface VectorsPart {
  readonly text: string
  readonly headers: ResponseHeaders
}

/** How vectors are asked for and read; they are asked for beside the endpoint of chat, or below it where a part says a path. */
export interface Embeddings {
  /** False for a model that makes no vectors; absent = any may. */
  readonly embeds?: ((model: string) => boolean) | undefined
  /** The request in this dialect, or why it cannot be said in it: an `InvalidRequest` that names the member. */
  readonly lower: (call: EmbeddingCall) => LoweredVectors | Reason
  /** The answers in the order of the parts to the answer, or why they are none; `nowMs` is since 1970. */
  readonly readAnswer: (
    parts: readonly [VectorsPart, ...Array<VectorsPart>],
    call: EmbeddingCall,
    nowMs: number
  ) => Omit<EmbeddingAnswer, "upstreamRequestId"> | Reason
  /** Tokens of the answer to one part, where another part failed; undefined = it does not say. Absent = there is one part. */
  readonly tokensIn?: ((part: VectorsPart, model: string) => number | undefined) | undefined
}

/** How texts are judged; asked beside the endpoint of chat. */
export interface Moderations {
  readonly lower: (call: ModerationCall) => Lowered
  readonly readAnswer: (text: string, call: ModerationCall, nowMs: number) => Moderation | Reason
}

export interface Dialect {
  /** Whose words its errors are in. */
  readonly family: ErrorFamily
  /** The request in this dialect, or why it cannot be said in it: an `InvalidRequest` that names the member. */
  readonly lower: (call: ProviderCall, stream: boolean) => Lowered | Reason
  /** The body of an answer of status 200, or why it is none. */
  readonly readAnswer: (text: string, fallback: Fallback) => ReadAnswer | Reason
  /** What was used according to such a body that is no answer. Absent = it is not looked for. */
  readonly usedIn?: ((text: string, fallback: Fallback) => Usage | undefined) | undefined
  readonly openStream: (options: StreamOptions) => StreamMachine
  /** What its streams are framed in; default server-sent events. */
  readonly openParser?: (() => EventParser) | undefined
  /** Absent = it has none, and its providers are passed over when vectors are asked for. */
  readonly embeddings?: Embeddings | undefined
  /** Absent = it has none. */
  readonly moderations?: Moderations | undefined
}
