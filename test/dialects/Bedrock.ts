/** Bedrock Converse, read and spoken by hand, its streams in AWS's frames. */
import type { Told } from "../exchanges/CloudUpstream.ts"
import { eventFrame, exceptionFrame } from "../providers/AwsFrames.ts"
import {
  counts,
  joined,
  type Meaning,
  type Part,
  plain,
  type Saying,
  type Trouble,
  valueOf,
  waitOf
} from "./Meaning.ts"

// JSON of a dialect, read by hand.
type Loose = any

const documentTypes: Readonly<Record<string, string>> = { pdf: "application/pdf", txt: "text/plain" }

const resultOf = (content: ReadonlyArray<Loose>): unknown =>
  content[0]?.json ?? valueOf(content.map(({ text }) => text).join("\n"))

const partOf = (block: Loose): Part => {
  const { audio, document, image, reasoningContent, text, toolResult, toolUse } = block
  if (typeof text === "string") return { kind: "text", text }
  if (image) return { kind: "image", source: `data:image/${image.format};base64,${image.source.bytes}` }
  if (document) {
    const type = documentTypes[document.format] ?? document.format
    return { kind: "document", source: `data:${type};base64,${document.source.bytes}` }
  }
  if (audio) return { kind: "audio", source: `data:audio/${audio.format};base64,${audio.source.bytes}` }
  if (toolUse) return { kind: "call", id: toolUse.toolUseId, name: toolUse.name, input: toolUse.input }
  if (toolResult) return { kind: "result", id: toolResult.toolUseId, value: resultOf(toolResult.content) }
  if (reasoningContent) {
    const { signature, text: thought } = reasoningContent.reasoningText
    return { kind: "thought", text: thought, state: signature }
  }
  throw new Error(`no block of Bedrock's is ${JSON.stringify(block)}`)
}

/** A point of the cache stands behind what is to be kept. */
const partsOf = (content: ReadonlyArray<Loose>): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  for (const block of content) {
    const last = parts.at(-1)
    if (block.cachePoint === undefined) parts.push(partOf(block))
    else if (last !== undefined && last.kind !== "thought") parts[parts.length - 1] = { ...last, cached: true }
  }
  return parts
}

/** A document's name as the only text beside it says nothing; Bedrock demands one. */
const withoutNames = (content: ReadonlyArray<Loose>): ReadonlyArray<Loose> => {
  const names = content.flatMap(({ document }) => document?.name ?? [])
  const texts = content.filter(({ text }) => text !== undefined)
  return texts.length === 1 && names.includes(texts[0].text)
    ? content.filter(({ text }) => text === undefined)
    : content
}

export const read = (body: Loose): Meaning => {
  const { additionalModelRequestFields: fields, inferenceConfig: config = {}, messages, outputConfig, system } = body
  const specs = (body.toolConfig?.tools ?? []).flatMap(({ toolSpec }: Loose) => toolSpec ?? [])
  const choice = body.toolConfig?.toolChoice
  const schema = outputConfig?.textFormat?.structure.jsonSchema.schema
  return {
    ...plain,
    system: partsOf(system ?? []),
    turns: joined(messages.map(({ content, role }: Loose) => ({ role, parts: partsOf(withoutNames(content)) }))),
    tools: specs.map(({ description, inputSchema, name }: Loose) => ({ name, description, schema: inputSchema.json })),
    callable: choice?.tool ? [choice.tool.name] : specs.map(({ name }: Loose) => name),
    mustCall: choice?.any !== undefined || choice?.tool !== undefined,
    form: schema === undefined ? undefined : JSON.parse(schema),
    thinks: ["enabled", "adaptive"].includes(fields?.thinking?.type) || fields?.reasoningConfig?.type === "enabled",
    maxTokens: config.maxTokens,
    temperature: config.temperature,
    topP: config.topP,
    stop: config.stopSequences ?? []
  }
}

const usage = {
  inputTokens: counts.prompt,
  outputTokens: counts.completion,
  totalTokens: counts.prompt + counts.completion
}

const blocksOf = ({ calls = [], text, thought }: Saying): ReadonlyArray<Loose> => [
  ...(thought === undefined
    ? []
    : [{ reasoningContent: { reasoningText: { text: thought.text, signature: thought.state } } }]),
  ...(text === undefined ? [] : [{ text }]),
  ...calls.map(({ id, input, name }) => ({ toolUse: { toolUseId: id, name, input } }))
]

const framesOf = (block: Loose, contentBlockIndex: number): ReadonlyArray<Buffer> => {
  const delta = (more: Loose) => eventFrame("contentBlockDelta", { contentBlockIndex, delta: more })
  const stop = eventFrame("contentBlockStop", { contentBlockIndex })
  if (block.toolUse) {
    const { input, ...named } = block.toolUse
    const text = JSON.stringify(input)
    return [
      eventFrame("contentBlockStart", { contentBlockIndex, start: { toolUse: named } }),
      ...[text.slice(0, 3), text.slice(3)].map((some) => delta({ toolUse: { input: some } })),
      stop
    ]
  }
  if (block.reasoningContent) {
    const { signature, text } = block.reasoningContent.reasoningText
    return [delta({ reasoningContent: { text } }), delta({ reasoningContent: { signature } }), stop]
  }
  return [...block.text.split(/(?<= )/).map((text: string) => delta({ text })), stop]
}

const frames = (said: Saying): ReadonlyArray<Buffer> => [
  eventFrame("messageStart", { role: "assistant" }),
  ...blocksOf(said).flatMap(framesOf)
]

const framed = { "content-type": "application/vnd.amazon.eventstream" } as const

export const speak = (said: Saying, _model: string, stream: boolean): Told => {
  const stopReason = said.calls === undefined ? "end_turn" : "tool_use"
  const metrics = { latencyMs: 1 }
  if (stream) {
    const ending = [eventFrame("messageStop", { stopReason }), eventFrame("metadata", { usage, metrics })]
    return { headers: framed, pieces: [...frames(said), ...ending] }
  }
  const output = { message: { role: "assistant", content: blocksOf(said) } }
  return {
    headers: { "content-type": "application/json", "x-amzn-requestid": "aws-fake" },
    pieces: [JSON.stringify({ output, stopReason, usage, metrics })]
  }
}

const classes: Readonly<Record<number, string>> = {
  400: "ValidationException",
  403: "AccessDeniedException",
  429: "ThrottlingException",
  500: "InternalServerException",
  503: "ServiceUnavailableException"
}

export const fail = (trouble: Trouble): Told => {
  const { after, message = "It cannot.", status } = trouble
  const name = classes[status] ?? "InternalServerException"
  if (after === undefined) {
    return {
      status,
      headers: {
        "content-type": "application/json",
        "x-amzn-errortype": `${name}:http://internal.amazon.com/`,
        ...waitOf(trouble)
      },
      pieces: [JSON.stringify({ message })]
    }
  }
  const type = `${name.charAt(0).toLowerCase()}${name.slice(1)}`
  return { headers: framed, pieces: [...frames(after), exceptionFrame(type, message)] }
}
