/**
 * Hooks around a model that its owner opted in: a guard sees a request before it is sent, and an answer before it is given out, and
 * lets it pass, flags it, changes it or refuses it. Off unless settings name it. Trap: what becomes of a request whose guard fails or
 * takes too long is for each guard to say, for neither answer is right for all of them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ChatRequest } from "../domain/Chat.ts"
import type { ChatCompletion } from "../domain/ChatAnswer.ts"
import { DurationText } from "../domain/Quantity.ts"
import { type MaskKind, maskKinds, maskStream, maskText } from "./Mask.ts"

/** What a guard says. A message is told to the caller as it stands, a note goes to the log: neither quotes anything. */
export type Judgement<A> =
  | { readonly _tag: "Pass" }
  | { readonly _tag: "Flag"; readonly note: string }
  | { readonly _tag: "Change"; readonly value: A }
  | {
    readonly _tag: "Refuse"
    readonly message: string
    /** The member of the request that it is about. */
    readonly param?: string | undefined
  }

/** The guard could not judge; the message goes to the log. */
export interface GuardFailed {
  readonly _tag: "GuardFailed"
  readonly message: string
  /**
   * It failed because of the request itself, as one that is too large for it: such a one is refused with this, whatever
   * `whenFailing` says, or callers could choose to be unjudged. Told to the caller as it stands.
   */
  readonly refusal?: string | undefined
}

/** One text of a streamed answer: what may be given out of it so far. Plain functions, for they run for every event. */
export interface TextGuard {
  readonly push: (text: string) => string
  /** What was held back. */
  readonly end: () => string
}

export interface Guard {
  /** What becomes of what it could not judge because it failed, died or took too long: a 503 `guard_unavailable`, or it passes. */
  readonly whenFailing: "refuse" | "pass"
  /** Milliseconds for one judgement of a whole request or answer; `Infinity` = it never waits for anything. Default 2000. */
  readonly within?: number | undefined
  readonly before?: ((request: ChatRequest) => Effect.Effect<Judgement<ChatRequest>, GuardFailed>) | undefined
  readonly after?: ((answer: ChatCompletion) => Effect.Effect<Judgement<ChatCompletion>, GuardFailed>) | undefined
  /** Made once for each text of each choice; one that throws has failed. */
  readonly stream?: (() => TextGuard) | undefined
}

/** Guards that an application brings, by the names that its settings call them by. Default none. */
export const Guards = Context.Reference<ReadonlyMap<string, Guard>>("breakwater/validation/Guard/Guards", {
  defaultValue: () => new Map()
})

/** The texts of a request's messages are sent to a provider's `/moderations`, and what that flags is refused. */
export interface ModerationSettings {
  /** A provider of the file that speaks OpenAI's dialect. */
  readonly provider: string
  /** The provider's name of the model. Default `omni-moderation-latest`. */
  readonly model?: string | undefined
  /** What becomes of a request that it does not judge in time. */
  readonly whenFailing: Guard["whenFailing"]
  /** Milliseconds. Default 2000. */
  readonly within?: number | undefined
  /** What becomes of a request in which it finds something; `flag` = a warning in the log. Default refuse. */
  readonly verdict?: "refuse" | "flag" | undefined
}

export interface GuardSettings {
  readonly mask?: {
    /** What is masked. Default all kinds. */
    readonly kinds?: ReadonlyArray<MaskKind> | undefined
    /** In what callers send. Default true. */
    readonly prompts?: boolean | undefined
    /** In what models answer. Default true. */
    readonly answers?: boolean | undefined
  } | undefined
  /** Somebody else's judgement of what callers send, asked after the mask. */
  readonly moderation?: ModerationSettings | undefined
  /** Names of the application's own guards, in the order in which they are asked, before the mask. */
  readonly use?: ReadonlyArray<string> | undefined
}

/** As the file writes it; guards of an application belong to its code. */
export const GuardSettingsInput = Schema.Struct({
  mask: Schema.optionalKey(Schema.Struct({
    kinds: Schema.optionalKey(Schema.NonEmptyArray(Schema.Literals(maskKinds))),
    prompts: Schema.optionalKey(Schema.Boolean),
    answers: Schema.optionalKey(Schema.Boolean)
  })),
  moderation: Schema.optionalKey(Schema.Struct({
    provider: Schema.String.check(Schema.isNonEmpty()),
    model: Schema.optionalKey(Schema.String.check(Schema.isNonEmpty())),
    whenFailing: Schema.Literals(["refuse", "pass"]),
    within: Schema.optionalKey(DurationText.check(Schema.isGreaterThan(0))),
    verdict: Schema.optionalKey(Schema.Literals(["refuse", "flag"]))
  }))
})

const pass: Judgement<never> = { _tag: "Pass" }

type Messages = ChatRequest["messages"]
type Content = Messages[number]["content"]

const maskedContent = (content: Content, kinds: ReadonlyArray<MaskKind>): Content => {
  if (typeof content === "string") return maskText(content, kinds)
  return content?.map((part) =>
    part.type === "text" && "text" in part ? { ...part, text: maskText(part.text, kinds) } : part
  )
}

const maskRequest = (request: ChatRequest, kinds: ReadonlyArray<MaskKind>): Judgement<ChatRequest> => {
  const messages = request.messages.map((message) =>
    "content" in message ? { ...message, content: maskedContent(message.content, kinds) } : message
  )
  // The same messages with other texts in the same places, which a map cannot say of its result.
  const value: ChatRequest = { ...request, messages: messages as ReadonlyArray<unknown> as Messages }
  return JSON.stringify(messages) === JSON.stringify(request.messages) ? pass : { _tag: "Change", value }
}

const maskAnswer = (answer: ChatCompletion, kinds: ReadonlyArray<MaskKind>): Judgement<ChatCompletion> => {
  const masked = (text: string | null) => text === null ? null : maskText(text, kinds)
  const choices = answer.choices.map((choice) => {
    const { content, reasoning_content: reasoning, refusal } = choice.message
    const message = {
      ...choice.message,
      content: masked(content ?? null),
      refusal: masked(refusal ?? null),
      ...(reasoning === undefined ? {} : { reasoning_content: maskText(reasoning, kinds) })
    }
    // Log probabilities repeat the text token by token.
    return { ...choice, message, logprobs: null }
  })
  return { _tag: "Change", value: { ...answer, choices } }
}

const maskGuard = (
  { answers = true, kinds = maskKinds, prompts = true }: NonNullable<GuardSettings["mask"]>
): Guard => ({
  whenFailing: "refuse",
  within: Number.POSITIVE_INFINITY,
  before: prompts ? (request) => Effect.sync(() => maskRequest(request, kinds)) : undefined,
  after: answers ? (answer) => Effect.sync(() => maskAnswer(answer, kinds)) : undefined,
  stream: answers ? () => maskStream(kinds) : undefined
})

/** The guards of one model, undefined where there are none. A name that nobody brought is a mistake of the configuration and dies. */
export const guardsOf = (
  settings: GuardSettings | undefined,
  moderation: (settings: ModerationSettings) => Guard
): Effect.Effect<ReadonlyArray<Guard> | undefined> =>
  settings === undefined ? Effect.undefined : Effect.gen(function*() {
    const brought = yield* Guards
    const own = yield* Effect.forEach(settings.use ?? [], (name) => {
      const guard = brought.get(name)
      return guard === undefined ? Effect.die(new Error(`there is no guard named ${name}`)) : Effect.succeed(guard)
    })
    const all = [
      ...own,
      ...(settings.mask === undefined ? [] : [maskGuard(settings.mask)]),
      ...(settings.moderation === undefined ? [] : [moderation(settings.moderation)])
    ]
    return all.length === 0 ? undefined : all
  })
