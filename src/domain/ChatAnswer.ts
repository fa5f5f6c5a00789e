/** OpenAI's answer and chunk as the flow reads them: the members it needs; every other member survives beside them. */

/** One call of a tool, as an answer carries it. */
export interface ToolCall {
  readonly id: string
  readonly type: string
  readonly function?: { readonly name: string; readonly arguments: string } | undefined
}

/** A whole answer in OpenAI's shape; other members survive beside these. */
export interface ChatCompletion {
  readonly id: string
  readonly object: "chat.completion"
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
  readonly choices: ReadonlyArray<{
    readonly index: number
    readonly finish_reason: string
    readonly logprobs: unknown
    readonly message: {
      readonly role: string
      readonly content: string | null
      readonly refusal: string | null
      readonly reasoning_content?: string | undefined
      readonly tool_calls?: ReadonlyArray<ToolCall> | undefined
    }
  }>
}

/** One event of a streamed answer; other members survive beside these. */
export interface ChatChunk {
  readonly id: string
  readonly object: "chat.completion.chunk"
  /** Seconds since 1970, the same on every chunk of a stream. */
  readonly created: number
  readonly model: string
  readonly choices: ReadonlyArray<{
    readonly index: number
    readonly finish_reason?: string | null | undefined
    readonly delta: {
      readonly role?: string | undefined
      readonly content?: string | null | undefined
      readonly refusal?: string | null | undefined
      readonly reasoning_content?: string | undefined
      readonly tool_calls?:
        | ReadonlyArray<{
          readonly index: number
          readonly id?: string | undefined
          readonly type?: string | undefined
          readonly function?:
            | { readonly name?: string | undefined; readonly arguments?: string | undefined }
            | undefined
        }>
        | undefined
    }
  }>
}

/** Whether a message or a delta has nothing in it but its role: every member is null, an empty text or an empty list. */
export const carriesNothing = (said: object): boolean =>
  Object.entries(said).every(([name, value]) =>
    name === "role" || value === null || value === undefined || value === "" ||
    (Array.isArray(value) && value.length === 0)
  )
