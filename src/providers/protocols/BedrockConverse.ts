/** Bedrock Converse as a dialect: one form of request, answer and stream for every model of Bedrock's. */
import type { Reason } from "../../domain/GatewayError.ts"
import { MalformedAnswer, UpstreamFailed } from "../../domain/GatewayError.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { Dialect, Fallback, ReadAnswer } from "../Dialect.ts"
import { EventStreamParser } from "../EventStream.ts"
import { finishOf, isBrokenEnd, isOwnTool, isSealed, tierOf, usageOf } from "./BedrockConverseAnswer.ts"
import { lower } from "./BedrockConverseRequest.ts"
import { ConverseStream } from "./BedrockConverseStream.ts"
import { bedrockEmbeddings } from "./BedrockEmbeddings.ts"
import { writeCompletion, type WrittenCall } from "./CompletionWriter.ts"
import * as OpaqueState from "./OpaqueState.ts"
import { isObject, type Json, type JsonObject, parse, parseKeepingDigits } from "./OpenAiChatShape.ts"
import { mendUsage } from "./OpenAiUsage.ts"

const textIn = (blocks: Json | undefined): string =>
  (Array.isArray(blocks) ? blocks : [])
    .map((block) => isObject(block) && typeof block["text"] === "string" ? block["text"] : "").join("")

/** Web addresses that the answer names as its sources, at the place where they were named. */
const annotationsOf = (citations: Json | undefined, at: number): ReadonlyArray<JsonObject> =>
  (Array.isArray(citations) ? citations : []).flatMap((citation) => {
    const location = isObject(citation) ? citation["location"] : undefined
    const web = isObject(location) ? location["web"] : undefined
    if (!isObject(citation) || !isObject(web) || typeof web["url"] !== "string") return []
    const { title = web["domain"] } = citation
    const named = typeof title === "string" ? title : ""
    return [{ type: "url_citation", url_citation: { url: web["url"], title: named, start_index: at, end_index: at } }]
  })

interface Said {
  text: string
  reasoning: string
  readonly calls: Array<WrittenCall>
  readonly annotations: Array<JsonObject>
  /** Sealed thoughts since the last call. */
  sealed: Array<JsonObject>
}

const readBlock = (block: JsonObject, said: Said, model: string): void => {
  const { citationsContent: cited, reasoningContent: reasoning, text, toolUse } = block
  if (typeof text === "string") said.text += text
  if (isObject(cited)) {
    said.text += textIn(cited["content"])
    said.annotations.push(...annotationsOf(cited["citations"], said.text.length))
  }
  if (isObject(reasoning)) {
    if (isObject(reasoning["reasoningText"])) said.reasoning += textIn([reasoning["reasoningText"]])
    if (isSealed(block)) said.sealed.push(block)
  }
  if (!isObject(toolUse) || isOwnTool(toolUse)) return
  const id = String(toolUse["toolUseId"] ?? "")
  said.calls.push({
    id: said.sealed.length === 0 ? id : OpaqueState.carry(id, "b", JSON.stringify(said.sealed), model),
    name: String(toolUse["name"] ?? ""),
    arguments: JSON.stringify(toolUse["input"] ?? {})
  })
  said.sealed = []
}

const malformed = (message: string): Reason => new MalformedAnswer({ message, upstreamStatus: 200 })

const readAnswer = (text: string, fallback: Fallback): ReadAnswer | Reason => {
  const parsed = parse(text)
  const answer = parsed === undefined ? undefined : parseKeepingDigits(text, parsed)
  const output = isObject(answer) ? answer["output"] : undefined
  const message = isObject(output) ? output["message"] : undefined
  if (!isObject(answer) || !isObject(message)) return malformed("The upstream's answer is no answer of Converse.")
  const { stopReason } = answer
  if (isBrokenEnd(stopReason)) {
    return new UpstreamFailed({ message: "The model's output could not be read by the upstream.", upstreamStatus: 200 })
  }
  const said: Said = { text: "", reasoning: "", calls: [], annotations: [], sealed: [] }
  for (const block of Array.isArray(message["content"]) ? message["content"] : []) {
    if (isObject(block)) readBlock(block, said, fallback.model)
  }
  const finish = finishOf(stopReason)
  const usage = usageOf(answer["usage"])
  const isNothing = said.text === "" && said.reasoning === "" && said.calls.length === 0
  if (isNothing && finish === "stop" && (usage?.["completion_tokens"] ?? 0) === 0) {
    return malformed("The upstream's answer has nothing in it.")
  }
  return writeCompletion({
    ...said,
    finish,
    usage,
    tier: tierOf(answer["serviceTier"]),
    extra: said.annotations.length === 0 ? undefined : { annotations: said.annotations }
  }, fallback)
}

/** What an answer used that is none, such as one without a word. */
const usedIn = (text: string): Usage | undefined => {
  const answer = parse(text)
  const usage = isObject(answer) ? usageOf(answer["usage"]) : undefined
  return usage === undefined || !isObject(answer) ? undefined : mendUsage(usage, tierOf(answer["serviceTier"]))?.usage
}

export const bedrockConverse: Dialect = {
  family: "bedrock",
  lower,
  readAnswer,
  usedIn,
  openStream: (options) => new ConverseStream(options),
  openParser: () => new EventStreamParser(),
  embeddings: bedrockEmbeddings
}
