/** What every recorded refusal comes to. */
import type { ErrorFamily } from "../../src/providers/ProviderError.ts"
import { toReason } from "../../src/providers/ProviderError.ts"
import type { Exchange } from "./Recorded.ts"

/** The tag of the reason, by the exchange's name. */
export const reasons: Readonly<Record<string, string>> = {
  "anthropic--messages--20295794.json": "CredentialRejected",
  "anthropic--messages--3b34aa07.json": "ContextLengthExceeded",
  "azure-foundry--chat-completions--3b95c562.json": "CredentialRejected",
  "azure-openai--chat-completions--45bde1ed.json": "UpstreamModelMissing",
  "bedrock--converse--4fed5a87.json": "CredentialRejected",
  "bedrock--converse--83048a73.json": "ContextLengthExceeded",
  "gemini--embeddings--4e53a04b.json": "UpstreamModelMissing",
  "gemini--generateContent--9408276b.json": "CredentialRejected",
  "groq--chat-completions--580cf496.json": "UpstreamModelMissing",
  "groq--chat-completions--ea0e031b.json": "UpstreamRefused",
  "ollama--chat-completions--dd7710a6.json": "CredentialRejected",
  "openai--chat-completions--7bc3c7ee.json": "UpstreamRefused",
  "openai--chat-completions--9a0353fe.json": "UpstreamRefused",
  "openrouter--chat-completions--9114691b.json": "RateLimited",
  "perplexity--chat-completions--2e2e0558.json": "ContextLengthExceeded",
  "vertex--generateContent--0910a26f.json": "UpstreamRefused"
}

/** The reason that a recorded refusal is read as, the status that it is said to have had, and how long it asks to be left alone. */
export const readRefusal = (family: ErrorFamily, { response: { body, headers, status } }: Exchange) => {
  const reason = toReason(family, { status, headers, body, nowMs: 0 })
  return [reason._tag, reason.upstreamStatus, reason.retryAfterMs] as const
}
