/** The recorded provider traffic beside the checkout, read at test time; empty, with one line that says so, where it is absent. */
import { Ajv2020 } from "ajv/dist/2020.js"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

export interface Exchange {
  readonly name: string
  readonly provider: string
  readonly endpoint: string
  /** What it shows, computed when it was taken down. */
  readonly situations: ReadonlyArray<string>
  readonly request: { readonly path: string; readonly body: Readonly<Record<string, unknown>> }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body?: unknown
    readonly sse?: string
    readonly chunks?: ReadonlyArray<unknown>
    /** Of AWS's event streams. */
    readonly events?: ReadonlyArray<unknown>
  }
}

const folder = join(import.meta.dirname, "../../../shared/fixtures")
export const isPresent = existsSync(join(folder, "exchanges"))

/** Those whose name has this part. */
export const exchangesOf = (part: string): ReadonlyArray<Exchange> =>
  isPresent
    ? readdirSync(join(folder, "exchanges"))
      .filter((name) => name.includes(part))
      .sort()
      .map((name) => ({ name, ...JSON.parse(readFileSync(join(folder, "exchanges", name), "utf8")) }))
    : []

/** The exchanges of OpenAI's chat dialect. */
export const exchanges: ReadonlyArray<Exchange> = exchangesOf("--chat-completions--")

/** The exchanges of OpenAI's embeddings; Gemini's own have another shape. */
export const embeddings = exchangesOf("--embeddings--").filter(({ provider }) => provider !== "gemini")

/** The raw text of a stream; a client's capture is framed again. */
export const sseOf = ({ response }: Exchange): string =>
  response.sse ?? [...(response.chunks ?? []).map((chunk) => JSON.stringify(chunk)), "[DONE]"]
    .map((data) => `data: ${data}\n\n`).join("")

export const isStream = ({ response }: Exchange): boolean =>
  response.sse !== undefined || response.chunks !== undefined || response.events !== undefined

/** What OpenAI's schema has against a value; its own traffic has a null system_fingerprint, which is the one relaxation. */
export const makeValidator = (
  schema:
    | "chat-completion-request"
    | "chat-completion-response"
    | "chat-completion-chunk"
    | "embedding-response"
    | "error-response"
) => {
  const text = readFileSync(join(folder, "openai-spec", `${schema}.schema.json`), "utf8")
  const parsed = JSON.parse(text)
  if (schema === "chat-completion-response" || schema === "chat-completion-chunk") {
    parsed.properties.system_fingerprint = { type: ["string", "null"] }
  }
  const validate = new Ajv2020({ strict: false }).compile(parsed)
  return (value: unknown): ReadonlyArray<string> =>
    validate(value) ? [] : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`)
}
