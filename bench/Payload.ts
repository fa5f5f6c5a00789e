/** What travels in the load bench: one request of 469 bytes, one answer of 652 bytes, one stream of 50 chunks of about 340 bytes. */

/** The name the gateway's caller uses; the gateway knows it as an alias of {@link upstreamModel}, so that it has to patch the body. */
export const alias = "bench-model"

/** What the load shows the gateway: nothing to one without client keys, and the key of its caller to one with them. */
export const callerKey = "sk-bench-0123456789abcdef0123456789"
export const upstreamModel = "gpt-4.1-mini"

/**
 * How the upstream answers: one JSON body, a stream at one frame per {@link paceMs}, or a stream as fast as the socket takes it. The
 * last is paced too, and in Anthropic's words whoever asks: a pipe passes them on, the gateway translates them.
 */
export type Mode = "json" | "paced" | "burst" | "paced-anthropic"

export const isPaced = (mode: Mode): boolean => mode.startsWith("paced")

export const paceMs = 20
export const chunks = 50
/** Frames that a caller sees in one stream: the chunks and `[DONE]`; where words differ, only frames with text are counted. */
export const framesIn = (mode: Mode): number => mode === "paced-anthropic" ? chunks : chunks + 1
/** What a frame ends with, or what each of the counted ones has. */
export const markOf = (mode: Mode): string => mode === "paced-anthropic" ? "\" wave\"" : "\n\n"

const words =
  "The breakwater stands between the open sea and the harbour, takes the force out of every wave and lets ships lie still. "

/** Fills the one free text of a body so that the body has exactly `bytes` bytes; all text here is ASCII. */
const fitted = (bytes: number, body: (text: string) => unknown): string => {
  const room = bytes - JSON.stringify(body("")).length
  if (room < 0) throw new Error(`a body of ${bytes} bytes is too small for its members`)
  return JSON.stringify(body(words.repeat(Math.ceil(room / words.length)).slice(0, room)))
}

/** The caller's body. `user` tells the upstream how to pace a stream, because it travels through every candidate unchanged. */
export const requestBody = (mode: Mode): string =>
  fitted(469, (text) => ({
    model: alias,
    messages: [
      { role: "system", content: "You are a harbour pilot. Answer in one short paragraph." },
      { role: "user", content: text },
      { role: "assistant", content: "It takes the force out of the waves." },
      { role: "user", content: "And in winter?" }
    ],
    temperature: 0.7,
    max_tokens: 256,
    user: mode,
    ...(mode === "json" ? {} : { stream: true })
  }))

const usage = {
  prompt_tokens: 62,
  completion_tokens: 48,
  total_tokens: 110,
  prompt_tokens_details: { cached_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0 }
}

const answer = { id: "chatcmpl-BXk2mQ9sT4vWc7yZ1aE3", created: 1_763_856_000, model: "gpt-4.1-mini-2025-04-14" }

export const completion = fitted(652, (text) => ({
  ...answer,
  object: "chat.completion",
  choices: [{
    index: 0,
    message: { role: "assistant", content: text, refusal: null },
    logprobs: null,
    finish_reason: "stop"
  }],
  usage,
  service_tier: "default",
  system_fingerprint: "fp_5d1a3c7b90"
}))

const frame = (delta: object, finish: string | null): string =>
  fitted(332, (text) => ({
    ...answer,
    object: "chat.completion.chunk",
    service_tier: "default",
    system_fingerprint: "fp_5d1a3c7b90",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    obfuscation: text
  }))

const deltaOf = (n: number): object =>
  n === 0 ? { role: "assistant", content: "" } : n === chunks - 1 ? {} : { content: " wave" }

const events = Array.from({ length: chunks }, (_, n) => frame(deltaOf(n), n === chunks - 1 ? "stop" : null))
const usageEvent = JSON.stringify({ ...answer, object: "chat.completion.chunk", choices: [], usage })

/** The stream as server-sent events, each ready to write; `withUsage` adds the chunk that `stream_options.include_usage` asks for. */
export const streamEvents = (withUsage: boolean): ReadonlyArray<string> =>
  [...events, ...(withUsage ? [usageEvent] : []), "[DONE]"].map((data) => `data: ${data}\n\n`)
