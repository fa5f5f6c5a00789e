/** What another Effect app imports: the flow as Layers, the providers it runs over, and the words they share. */
export * as Admission from "./admission/Admission.ts"
export * as Desk from "./admission/Desk.ts"
export { Api } from "./api/Api.ts"
export type { ChatMessage, ChatRequest, ContentPart } from "./domain/Chat.ts"
export type { ChatChunk, ChatCompletion } from "./domain/ChatAnswer.ts"
export type { EmbeddingRequest } from "./domain/Embedding.ts"
export * as GatewayError from "./domain/GatewayError.ts"
export type { Principal } from "./domain/Principal.ts"
export type { Usage } from "./domain/Usage.ts"
export {
  Ai,
  type AiAnswer,
  type AiEmbedRequest,
  type AiEvent,
  type AiRequest,
  type AiSummary,
  type AiVectors
} from "./gateway/Ai.ts"
export type { AttemptRecord, Decision } from "./gateway/Decision.ts"
// Named as the packages of Effect's providers name theirs, beside `LanguageModel` of `effect/ai` in the same program.
export * as BreakwaterEmbeddingModel from "./gateway/EmbeddingModel.ts"
export * as Gateway from "./gateway/Gateway.ts"
export { Health } from "./gateway/Health.ts"
export * as BreakwaterTool from "./gateway/HostedTool.ts"
export * as BreakwaterLanguageModel from "./gateway/LanguageModel.ts"
export * as Anthropic from "./providers/Anthropic.ts"
export * as AzureOpenAi from "./providers/AzureOpenAi.ts"
export * as Bedrock from "./providers/Bedrock.ts"
export * as Gemini from "./providers/Gemini.ts"
export * as OpenAi from "./providers/OpenAi.ts"
export * as OpenAiCompatible from "./providers/OpenAiCompatible.ts"
export type {
  Answer,
  AnswerStream,
  EmbeddingAnswer,
  EmbeddingCall,
  Frame,
  Provider,
  ProviderCall
} from "./providers/Provider.ts"
export { Providers } from "./providers/Providers.ts"
export * as Simulated from "./providers/Simulated.ts"
export * as Transport from "./providers/Transport.ts"
export * as Server from "./server/Server.ts"
export { defaultServerSettings, type ServerSettings } from "./server/ServerSettings.ts"
export { type Guard, Guards } from "./validation/Guard.ts"
