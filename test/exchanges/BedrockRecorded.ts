/** The recorded traffic of Bedrock Converse, read at test time; empty where it is absent. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { eventFrame } from "../providers/AwsFrames.ts"
import type { Said } from "./Conversation.ts"

// Recorded JSON, read by hand.
type Loose = any

export interface Recording {
  readonly name: string
  readonly path: string
  readonly request: Loose
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Loose
  /** Payloads of the frames, with their type as the only member; empty for a whole answer. */
  readonly events: ReadonlyArray<Loose>
  /** The frames; those of a client's capture are framed again. */
  readonly bytes: Buffer
}

const folder = join(import.meta.dirname, "../../../shared/fixtures/exchanges")
export const isPresent = existsSync(folder)

const eventsOf = (response: Loose): ReadonlyArray<Loose> =>
  response.chunks ?? response.events?.map(({ payload, type }: Loose) => ({ [type]: payload })) ?? []

const read = (name: string): Recording => {
  const { request, response } = JSON.parse(readFileSync(join(folder, name), "utf8"))
  const events = eventsOf(response)
  return {
    name,
    path: request.path,
    request: request.body,
    status: response.status,
    headers: response.headers,
    body: response.body,
    events,
    bytes: response.base64 !== undefined
      ? Buffer.from(response.base64, "base64")
      : Buffer.concat(
        events.flatMap((event) => Object.entries(event).map(([type, payload]) => eventFrame(type, payload)))
      )
  }
}

export const recordings: ReadonlyArray<Recording> = isPresent
  ? readdirSync(folder).filter((name) => name.startsWith("bedrock--converse")).sort().map(read)
  : []

const finishes: Readonly<Record<string, string>> = { end_turn: "stop", max_tokens: "length", tool_use: "tool_calls" }

/** What the recorded blocks say, read without our code. */
export const saidIn = (blocks: ReadonlyArray<Loose>, stopReason: string): Said => ({
  content: blocks.map((block) => block.text ?? "").join(""),
  reasoning: blocks.map((block) => block.reasoningContent?.reasoningText?.text ?? "").join(""),
  calls: blocks.flatMap(({ toolUse }) =>
    toolUse === undefined || toolUse.type === "server_tool_use"
      ? []
      : [{ name: toolUse.name, arguments: toolUse.input }]
  ),
  finish: finishes[stopReason] ?? stopReason
})

/** The blocks that the recorded events put together. */
export const blocksIn = ({ events }: Recording): ReadonlyArray<Loose> => {
  const blocks = new Map<number, Loose>()
  for (const { contentBlockDelta: more, contentBlockStart: begun } of events) {
    if (begun?.start.toolUse) blocks.set(begun.contentBlockIndex, { toolUse: { ...begun.start.toolUse, input: "" } })
    if (more === undefined) continue
    const block = blocks.get(more.contentBlockIndex) ?? {}
    blocks.set(more.contentBlockIndex, block)
    const { reasoningContent, text, toolUse } = more.delta
    if (text !== undefined) block.text = (block.text ?? "") + text
    if (Array.isArray(more.delta.toolResult)) continue
    if (toolUse !== undefined) block.toolUse.input += toolUse.input
    if (reasoningContent?.text !== undefined) {
      block.reasoningContent ??= { reasoningText: { text: "" } }
      block.reasoningContent.reasoningText.text += reasoningContent.text
    }
  }
  return [...blocks.values()].map((block) =>
    block.toolUse === undefined
      ? block
      : { toolUse: { ...block.toolUse, input: JSON.parse(block.toolUse.input || "{}") } }
  )
}

export const promptOf = (usage: Loose): number =>
  usage.inputTokens + (usage.cacheReadInputTokens ?? 0) + (usage.cacheWriteInputTokens ?? 0)
