/**
 * Who can answer: the interface between the flow and every upstream. A provider makes exactly one attempt per call, never
 * retries, and closes its socket when the fiber is interrupted or the scope closes.
 */
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type { ChatRequest } from "../domain/Chat.ts"
import type { ChatChunk, ChatCompletion } from "../domain/ChatAnswer.ts"
import type { EmbeddingRequest } from "../domain/Embedding.ts"
import type { GatewayError } from "../domain/GatewayError.ts"
import type { OwnNames } from "../domain/ModelName.ts"
import type { Usage } from "../domain/Usage.ts"
import type { Credentials } from "../resilience/Credential.ts"
import type { JsonText } from "../validation/JsonText.ts"

/** What becomes of a caller's parameters that the upstream's dialect has no words for: named to the caller, or refused. */
export type ParameterPolicy = "warn" | "reject"

/** One attempt at one target. */
export interface Call<Request> {
  /** The caller's own text; the provider replaces the spans of `model` and `stream_options` and forwards the rest. */
  readonly source: JsonText
  /** The decoded view of the same request, for dialects that must translate; never forwarded in OpenAI's own dialect. */
  readonly request: Request
  /** The upstream's name of the model. */
  readonly model: string
  /** Correlation id of the request, for logs; not sent to third parties. */
  readonly requestId: string
  /** Hears what goes over the wire, while the request is traced. */
  readonly wire?: Wire | undefined
  /** `reject` = a request that the upstream cannot be told in full is not sent; default `warn`, see `Answer.dropped`. */
  readonly parameters?: ParameterPolicy | undefined
  /** The limit of a whole answer, for a provider that keeps it itself (`keepsLimit`). */
  readonly limit?: Limit | undefined
}

/** One attempt at a chat completion. */
export type ProviderCall = Call<ChatRequest>

/** Texts that are to be judged, at least one, by the upstream's own model of that name. */
export interface ModerationCall {
  readonly input: readonly [string, ...Array<string>]
  readonly model: string
}

/** For each text the categories that it was flagged for; undefined = it was not flagged. */
export type Moderation = ReadonlyArray<ReadonlyArray<string> | undefined>

/** One attempt at embeddings. */
export type EmbeddingCall = Call<EmbeddingRequest>

/**
 * The end of an attempt's patience. Whoever waits hands over how to make that waiting fail, and calls off with what it gets
 * back; so a limit costs no fiber and no timer of its own.
 */
export type Limit = (stop: (error: GatewayError) => void) => () => void

/** Hears of each request that is sent over HTTP for a call, and of the head of its answer. Never fails, never waits. */
export interface Wire {
  /** `origin`: `https://host:port`; `path`: with its query. */
  readonly send: (origin: string, path: string, method: string) => void
  /** The same request goes out once more, on a fresh connection. */
  readonly resend: () => void
  readonly head: (status: number) => void
}

/** A whole answer. `text` is the body as the caller gets it and keeps OpenAI's shape; `completion` is the same, parsed. */
export interface Answer {
  readonly text: string
  readonly completion: ChatCompletion
  readonly usage: Usage | undefined
  /** The upstream's own request id, if it sent one. */
  readonly upstreamRequestId: string | undefined
  /** Names of the caller's parameters that were left out, because the upstream cannot be told them; absent = none. */
  readonly dropped?: ReadonlyArray<string> | undefined
}

/** The vectors of a request. `text` is the body as the caller gets it and keeps OpenAI's shape. */
export interface EmbeddingAnswer {
  readonly text: string
  /** The upstream's word for the model. */
  readonly model: string
  readonly usage: Usage | undefined
  /** The upstream's own request id, if it sent one; of several requests the first one's. */
  readonly upstreamRequestId: string | undefined
  /** As of a whole answer. */
  readonly dropped?: ReadonlyArray<string> | undefined
}

/** One server-sent event of an answer. */
export interface Frame {
  /** `data: {…}\n\n`, ready to send; absent when the frame is for us alone (usage that the caller did not ask for). */
  readonly bytes: Uint8Array | undefined
  readonly chunk: ChatChunk
  /** True for a non-empty content, reasoning, refusal, tool-call or audio delta: the event that commits a stream. */
  readonly isContent: boolean
  /** True once the answer is complete in itself (every choice has its finish_reason); only usage may follow. */
  readonly isTerminal: boolean
  /** All that the answer has used up to here, in a frame that says so. */
  readonly usage: Usage | undefined
  /** True where it has text and nothing else to note: no finish reason and no usage, so `chunk`, read when asked for, need not be. */
  readonly isPlain?: true
  /** Bytes of the text of a plain frame, as JSON writes it. */
  readonly textBytes?: number
}

/** The end of a stream, or its failure, is there: `pull` says which. */
export const ending = "ending"

/** A streamed answer. Ends with `Cause.Done` only after a clean end; a cut, a stall or an in-band error is a failure. */
export interface AnswerStream {
  readonly pull: Pull.Pull<readonly [Frame, ...Array<Frame>], GatewayError>
  /**
   * The same without an effect for each event: what is there, or undefined and `wake` is called once when there is something to
   * take or to pull. Not while a pull waits. Absent = only `pull` works.
   */
  readonly take?: ((wake: () => void) => readonly [Frame, ...Array<Frame>] | typeof ending | undefined) | undefined
  /** Makes the pull that waits, or the next one, fail; absent = whoever pulls has to race, at the cost of a fiber per stream. */
  readonly stop?: ((error: GatewayError) => void) | undefined
  /** Makes the pull that waits return this instead of an event of the upstream; use it only while one waits. Costs as `stop`. */
  readonly nudge?: ((frames: readonly [Frame, ...Array<Frame>]) => void) | undefined
  readonly upstreamRequestId: string | undefined
  /** As of a whole answer. */
  readonly dropped?: ReadonlyArray<string> | undefined
  /** How many events were no events of an answer and were passed over so far. */
  readonly skipped?: (() => number) | undefined
}

/** An upstream. `name` is its name in the configuration, `kind` its dialect or preset. */
export interface Provider extends OwnNames {
  readonly name: string
  readonly kind: string
  /** Where it is, for metrics; absent = nowhere on a network. */
  readonly server?: { readonly address: string; readonly port: number } | undefined
  readonly complete: (call: ProviderCall) => Effect.Effect<Answer, GatewayError>
  readonly stream: (call: ProviderCall) => Effect.Effect<AnswerStream, GatewayError, Scope.Scope>
  /** Turns texts into vectors; absent = it cannot, and is passed over when it is asked to. */
  readonly embed?: ((call: EmbeddingCall) => Effect.Effect<EmbeddingAnswer, GatewayError>) | undefined
  /** False for a model that makes none; absent = any may. */
  readonly embeds?: ((model: string) => boolean) | undefined
  /** Judges texts; absent = it cannot. Not bounded in time. */
  readonly moderate?: ((call: ModerationCall) => Effect.Effect<Moderation, GatewayError>) | undefined
  /** `complete` and `embed` fail by themselves when `call.limit` says so; else the flow races them. */
  readonly keepsLimit?: true
  /** Which of its credentials are usable, for a provider that has any; it has noted a failure here when the flow hears of it. */
  readonly credentials?: Credentials | undefined
  /** Model ids to show in `GET /v1/models` as `name/id`; empty when the upstream is not asked. */
  readonly models: ReadonlyArray<string>
  /** `models` are all that there are, so another one is the caller's mistake. Default: the upstream may have more. */
  readonly hasOnlyListed?: true
}
