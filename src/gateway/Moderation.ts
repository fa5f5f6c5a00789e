/**
 * A guard that asks a provider's moderation what it thinks of the texts of a request's messages. Trap: it reads texts alone, neither
 * pictures nor files nor the arguments of tools; and what it refuses is the provider's opinion, not ours.
 */
import * as Effect from "effect/Effect"
import type { ChatRequest } from "../domain/Chat.ts"
import type { Reason } from "../domain/GatewayError.ts"
import type { Moderation as Judged, Provider } from "../providers/Provider.ts"
import {
  type Guard,
  type GuardFailed,
  type GuardSettings,
  guardsOf,
  type Judgement,
  type ModerationSettings
} from "../validation/Guard.ts"

const defaultModel = "omni-moderation-latest"

const textOf = ({ content }: { readonly content?: ChatRequest["messages"][number]["content"] }): string =>
  typeof content === "string"
    ? content
    : (content ?? []).flatMap((part) => part.type === "text" && "text" in part ? [part.text] : []).join("\n")

/** The texts that there are, each with the place of its message. */
const textsOf = ({ messages }: ChatRequest): ReadonlyArray<readonly [text: string, at: number]> =>
  messages.flatMap((message, at) => {
    const text = textOf(message)
    return text.trim() === "" ? [] : [[text, at] as const]
  })

const judgementOf = (
  verdict: ModerationSettings["verdict"],
  texts: ReturnType<typeof textsOf>,
  moderation: Judged
): Judgement<ChatRequest> => {
  const found = moderation.findIndex((categories) => categories !== undefined)
  const [, at] = texts[found] ?? []
  if (at === undefined) return { _tag: "Pass" }
  const why = (moderation[found] ?? []).join(", ")
  const what = `messages[${at}]${why === "" ? "" : `: ${why}`}`
  return verdict === "flag"
    ? { _tag: "Flag", note: what }
    : { _tag: "Refuse", message: `The model's moderation refuses ${what}. Say it otherwise.`, param: `messages[${at}]` }
}

const failed = (message: string, refusal?: string): GuardFailed => ({ _tag: "GuardFailed", message, refusal })

/** It is the texts that the moderation will not read, and not the moderation that is away. */
const isOfTexts = (reason: Reason): boolean =>
  reason._tag === "ContextLengthExceeded" || reason._tag === "InvalidRequest" || reason._tag === "ContentFiltered" ||
  (reason._tag === "UpstreamRefused" && (reason.upstreamStatus === 400 || reason.upstreamStatus === 422))

const unreadable = "The model's moderation refuses to read these messages: they may be too many or too long."

/** What watches over a model; undefined = nothing. */
export type Watch = ReadonlyArray<Guard> | undefined

/** The guard over these providers; one that is not there is a mistake of the configuration and throws. */
const make = (
  { model = defaultModel, provider: name, verdict, whenFailing, within }: ModerationSettings,
  providers: ReadonlyMap<string, Provider>
): Guard => {
  const provider = providers.get(name)
  if (provider === undefined) throw new Error(`moderation names the provider ${name}, which is not configured`)
  const { moderate } = provider
  // Where it neither stops what it flags nor what it cannot judge, it is there for the log alone.
  const stops = verdict !== "flag" || whenFailing === "refuse"
  return {
    whenFailing,
    within,
    before: (request) => {
      const texts = textsOf(request)
      const [first, ...rest] = texts.map(([text]) => text)
      if (first === undefined) return Effect.succeed({ _tag: "Pass" })
      if (moderate === undefined) return Effect.fail(failed(`the provider ${name} has no moderation`))
      return Effect.mapBoth(moderate({ model, input: [first, ...rest] }), {
        onSuccess: (moderation) => judgementOf(verdict, texts, moderation),
        onFailure: ({ reason }) =>
          failed(
            `the moderation of ${name} failed: ${reason._tag}`,
            stops && isOfTexts(reason) ? unreadable : undefined
          )
      })
    }
  }
}

/** All guards of one model, over these providers. */
export const watch = (
  settings: GuardSettings | undefined,
  providers: ReadonlyMap<string, Provider>
): Effect.Effect<Watch> => guardsOf(settings, (moderation) => make(moderation, providers))
