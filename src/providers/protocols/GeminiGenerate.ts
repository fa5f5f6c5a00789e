/** Gemini's `generateContent` as a dialect, for the Gemini API and for Vertex AI alike. */
import type { Dialect } from "../Dialect.ts"
import { geminiEmbeddings } from "./GeminiEmbeddings.ts"
import { readAnswer, usedIn } from "./GeminiGenerateAnswer.ts"
import { GenerateEvents } from "./GeminiGenerateEvents.ts"
import { lower } from "./GeminiGenerateRequest.ts"
import { GenerateStream } from "./GeminiGenerateStream.ts"

export const geminiGenerate: Dialect = {
  family: "gemini",
  lower,
  readAnswer,
  usedIn,
  openStream: (options) => new GenerateStream(options),
  openParser: () => new GenerateEvents(),
  embeddings: geminiEmbeddings
}
