/** Answers in OpenAI's dialect whose calls are to carry a provider's state (`OpaqueState.ts`): it goes into the id of the first. */
import type { ChatCompletion } from "../../domain/ChatAnswer.ts"
import type { Dialect, ReadAnswer } from "../Dialect.ts"
import type { Frame } from "../Provider.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { encode } from "./OpenAiChatStream.ts"

type Said = ChatCompletion["choices"][number]["message"]

/** The calls with the state in the id of the first; undefined where there is none to carry it, or no state. */
const carrying = <Call extends { readonly id?: string | undefined }>(
  calls: ReadonlyArray<Call> | undefined,
  owner: OpaqueState.Owner,
  state: string | undefined
): ReadonlyArray<Call> | undefined => {
  const [first, ...rest] = calls ?? []
  return first?.id === undefined || state === undefined
    ? undefined
    : [{ ...first, id: OpaqueState.carry(first.id, owner, state) }, ...rest]
}

/** A whole answer whose calls carry what `stateOf` finds in their message. */
export const carriedIn = (
  read: ReturnType<Dialect["readAnswer"]>,
  owner: OpaqueState.Owner,
  stateOf: (message: Said) => string | undefined
): ReturnType<Dialect["readAnswer"]> => {
  if ("_tag" in read) return read
  let changed = false
  const choices = read.completion.choices.map((choice) => {
    const { message } = choice
    const calls = message.tool_calls === undefined ? undefined : carrying(message.tool_calls, owner, stateOf(message))
    if (calls === undefined) return choice
    changed = true
    return { ...choice, message: { ...message, tool_calls: calls } }
  })
  if (!changed) return read
  const completion = { ...read.completion, choices }
  return { ...read, completion, text: JSON.stringify(completion) } satisfies ReadAnswer
}

/** A frame whose first choice carries the state, or the same frame where it has no call that begins, or there is no state. */
export const carriedBy = (frame: Frame, owner: OpaqueState.Owner, state: string | undefined): Frame => {
  const { chunk } = frame
  const [choice, ...others] = chunk.choices
  const calls = carrying(choice?.delta.tool_calls, owner, state)
  if (choice === undefined || calls === undefined) return frame
  const carrier = { ...chunk, choices: [{ ...choice, delta: { ...choice.delta, tool_calls: calls } }, ...others] }
  return { ...frame, chunk: carrier, bytes: frame.bytes && encode(JSON.stringify(carrier)) }
}
