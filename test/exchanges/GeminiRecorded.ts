/** What recorded answers of Gemini and Vertex AI say, read without the code under test. */
import type { Said } from "./Conversation.ts"
import type { Exchange } from "./Recorded.ts"

// Recorded JSON of Gemini's, read by hand.
type Loose = any

export const chunksOf = ({ response }: Exchange): ReadonlyArray<Loose> =>
  response.chunks ?? (response.sse ?? "").split("\r\n\r\n").filter((text) => text !== "")
    .map((text) => JSON.parse(text.replace(/^data: /, "")))

/** A client's capture is framed again, as Gemini frames. */
export const bytesOf = (exchange: Exchange): Buffer =>
  Buffer.from(exchange.response.sse ?? chunksOf(exchange).map((one) => `data: ${JSON.stringify(one)}\r\n\r\n`).join(""))

const finishes: Readonly<Record<string, string>> = { MAX_TOKENS: "length", SAFETY: "content_filter" }

/** What was said in recorded answers, the events of one stream or one whole answer. */
export const saidIn = (answers: ReadonlyArray<Loose>): Said => {
  const candidates = answers.flatMap((answer) => answer.candidates ?? [])
  const parts = candidates.flatMap((candidate) => candidate.content?.parts ?? [])
  const textsOf = (isThought: boolean) =>
    parts.filter((part) => (part.thought ?? false) === isThought).map((part) => part.text ?? "").join("")
  const calls = parts.filter((part) => part.functionCall)
    .map(({ functionCall: { args, name } }) => ({ name, arguments: args }))
  const reason = candidates.findLast((candidate) => candidate.finishReason)?.finishReason
  return {
    content: textsOf(false),
    reasoning: textsOf(true),
    calls,
    finish: calls.length > 0 ? "tool_calls" : finishes[reason] ?? (reason === "NO_IMAGE" ? "content_filter" : "stop")
  }
}

export const countedIn = (answers: ReadonlyArray<Loose>) => {
  const {
    cachedContentTokenCount: cached = 0,
    candidatesTokenCount: written = 0,
    promptTokenCount: prompt,
    thoughtsTokenCount: thought = 0,
    totalTokenCount: total
  } = answers.at(-1).usageMetadata
  if (prompt + written + thought !== total) throw new Error("the recorded counts do not add up")
  return {
    promptTokens: prompt,
    completionTokens: written + thought,
    totalTokens: total,
    cachedTokens: cached,
    reasoningTokens: thought
  }
}
