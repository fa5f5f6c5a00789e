import { describe, expect, it } from "@effect/vitest"
import { EventStreamParser } from "../../src/providers/EventStream.ts"
import { bedrockConverse } from "../../src/providers/protocols/BedrockConverse.ts"
import { toReason } from "../../src/providers/ProviderError.ts"
import { eventFrame, exceptionFrame } from "./AwsFrames.ts"

const reasonOf = (status: number, name: string | undefined, message: string, key = "message") =>
  toReason("bedrock", {
    status,
    headers: name === undefined ? {} : { "x-amzn-errortype": name },
    body: { [key]: message },
    nowMs: 0
  })

/** Status, class, message and what it is. */
const table: ReadonlyArray<readonly [number, string, string, string]> = [
  [400, "ValidationException", "messages.0.role is wrong", "UpstreamRefused"],
  [
    400,
    "ValidationException:http://internal.amazon.com/x/",
    "Input is too long for requested model.",
    "ContextLengthExceeded"
  ],
  [
    400,
    "ValidationException",
    "The model returned the following errors: prompt is too long: 9 > 8",
    "ContextLengthExceeded"
  ],
  [
    400,
    "ValidationException",
    "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
    "ContextLengthExceeded"
  ],
  [400, "ValidationException", "The provided model identifier is invalid.", "UpstreamModelMissing"],
  [
    400,
    "ValidationException",
    "Invocation of model ID x with on-demand throughput isn’t supported. Retry with an inference profile.",
    "UpstreamModelMissing"
  ],
  [403, "AccessDeniedException", "You don't have access to the model.", "CredentialRejected"],
  [403, "UnrecognizedClientException", "The security token included in the request is invalid.", "CredentialRejected"],
  [403, "InvalidSignatureException", "The request signature we calculated does not match.", "CredentialRejected"],
  [403, "ExpiredTokenException", "The security token included in the request is expired", "CredentialRejected"],
  [400, "IncompleteSignatureException", "Date must be in ISO-8601.", "CredentialRejected"],
  [404, "ResourceNotFoundException", "This model version has reached the end of its life.", "UpstreamModelMissing"],
  [408, "ModelTimeoutException", "Model has timed out.", "UpstreamTimedOut"],
  [424, "ModelErrorException", "The model failed.", "UpstreamFailed"],
  [424, "ModelStreamErrorException", "The stream failed.", "UpstreamFailed"],
  [429, "ThrottlingException", "Too many requests, please wait before trying again.", "RateLimited"],
  [429, "ThrottlingException", "Too many tokens, please wait before trying again.", "RateLimited"],
  [429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", "QuotaExhausted"],
  [429, "ModelNotReadyException", "The model is warming up.", "Overloaded"],
  [400, "ServiceQuotaExceededException", "Your request exceeds the quota.", "QuotaExhausted"],
  [500, "InternalServerException", "An internal error.", "UpstreamFailed"],
  [503, "ServiceUnavailableException", "Try again.", "Overloaded"],
  [409, "ConflictException", "A conflict.", "UpstreamFailed"],
  [400, "SomethingNewException", "New.", "UpstreamRefused"],
  [500, "SomethingNewException", "New.", "UpstreamFailed"]
]

describe("an error of Bedrock's", () => {
  for (const [status, name, message, tag] of table) {
    it(`${status} ${name} "${message.slice(0, 40)}" is ${tag}`, () => {
      const reason = reasonOf(status, name, message)
      expect([reason._tag, reason.upstreamStatus]).toEqual([tag, status])
    })
  }

  it("is told by its status and words where no class is named", () => {
    expect(reasonOf(403, undefined, "Authentication failed: check your API key.", "Message")._tag).toBe(
      "CredentialRejected"
    )
    expect(reasonOf(429, undefined, "Too many requests")._tag).toBe("RateLimited")
    expect(toReason("bedrock", { status: 502, headers: {}, body: "<html>", nowMs: 0 })._tag).toBe("UpstreamFailed")
    expect(toReason("bedrock", { status: 400, headers: {}, body: { __type: "x#ThrottlingException" }, nowMs: 0 })._tag)
      .toBe("RateLimited")
  })

  it("shows the caller what was wrong with the request", () => {
    expect(reasonOf(400, "ValidationException", "messages.0.role is wrong").message).toBe("messages.0.role is wrong")
  })
})

const streamed = (...frames: ReadonlyArray<Buffer>) => {
  const machine = bedrockConverse.openStream({
    includeUsage: true,
    fallback: { id: "c", created: 1, model: "m", nowMs: 0 }
  })
  const parser = new EventStreamParser()
  const out: Parameters<typeof machine.next>[1] = []
  for (const frame of frames) for (const event of parser.push(frame)) machine.next(event, out)
  machine.end(out)
  const { failure, isDone, skippedEvents: skipped, used } = machine
  return { failure: failure?._tag, isDone, frames: out, skipped, used }
}

const start = eventFrame("messageStart", { role: "assistant" })
const text = eventFrame("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "hi" } })
const stopped = (stopReason: string) => eventFrame("messageStop", { stopReason })

describe("a stream of Bedrock's", () => {
  const exceptions: ReadonlyArray<readonly [string, string, string]> = [
    ["throttlingException", "Too many requests", "RateLimited"],
    ["modelStreamErrorException", "broken", "UpstreamFailed"],
    ["internalServerException", "broken", "UpstreamFailed"],
    ["serviceUnavailableException", "later", "Overloaded"],
    ["validationException", "wrong", "UpstreamRefused"],
    ["validationException", "Input is too long for requested model.", "ContextLengthExceeded"],
    ["modelTimeoutException", "slow", "UpstreamTimedOut"]
  ]
  for (const [name, message, tag] of exceptions) {
    it(`with ${name} "${message}" in it failed: ${tag}`, () => {
      expect(streamed(start, text, exceptionFrame(name, message), stopped("end_turn"))).toMatchObject({
        failure: tag,
        isDone: false
      })
    })
  }

  it("with a frame whose checksum is wrong is malformed", () => {
    const spoiled = Buffer.from(text)
    spoiled[spoiled.length - 8] = 0
    expect(streamed(start, spoiled, stopped("end_turn")).failure).toBe("MalformedAnswer")
  })

  it("passes over two events that are no JSON, and no more", () => {
    const odd = eventFrame("contentBlockDelta", 7)
    expect(streamed(start, odd, text, odd, stopped("end_turn"))).toMatchObject({ failure: undefined, skipped: 2 })
    expect(streamed(start, odd, odd, odd, stopped("end_turn")).failure).toBe("MalformedAnswer")
  })

  it("passes over events that it does not know", () => {
    expect(streamed(start, eventFrame("somethingNew", { a: 1 }), text, stopped("end_turn"))).toMatchObject({
      failure: undefined,
      isDone: true
    })
  })

  it("whose model wrote what cannot be read failed", () => {
    expect(streamed(start, stopped("malformed_tool_use")).failure).toBe("UpstreamFailed")
    expect(streamed(start, stopped("malformed_model_output")).failure).toBe("UpstreamFailed")
  })

  it("whose model wrote what cannot be read says what was used for it all the same", () => {
    const counted = eventFrame("metadata", { usage: { inputTokens: 7, outputTokens: 40, totalTokens: 47 } })
    expect(streamed(start, text, stopped("malformed_tool_use"), counted)).toMatchObject({
      failure: "UpstreamFailed",
      used: { promptTokens: 7, completionTokens: 40 }
    })
    expect(streamed(start, text, stopped("end_turn"), counted).used).toBeUndefined()
  })

  it("ends as OpenAI's would", () => {
    const finishOf = (reason: string) => {
      const { frames } = streamed(start, text, stopped(reason))
      return frames.find(({ isTerminal }) => isTerminal)?.chunk.choices[0]?.finish_reason
    }
    expect(["end_turn", "stop_sequence", "max_tokens", "model_context_window_exceeded"].map(finishOf))
      .toEqual(["stop", "stop", "length", "length"])
    expect(["content_filtered", "guardrail_intervened", "something_new"].map(finishOf))
      .toEqual(["content_filter", "content_filter", "stop"])
  })

  it("gives the arguments {} to a call that never got any", () => {
    const toolUse = { toolUseId: "t1", name: "now" }
    const { frames } = streamed(
      start,
      eventFrame("contentBlockStart", { contentBlockIndex: 0, start: { toolUse } }),
      eventFrame("contentBlockDelta", { contentBlockIndex: 0, delta: { toolUse: { input: "" } } }),
      stopped("tool_use")
    )
    const calls = frames.flatMap(({ chunk }) => chunk.choices[0]?.delta.tool_calls ?? [])
    expect(calls.map((call) => call.function?.arguments).join("")).toBe("{}")
    expect(calls[0]).toMatchObject({ index: 0, id: "t1" })
  })
})

describe("a whole answer of Bedrock's", () => {
  const read = (answer: unknown) => {
    const result = bedrockConverse.readAnswer(JSON.stringify(answer), { id: "c", created: 1, model: "m", nowMs: 0 })
    return "_tag" in result ? result._tag : result
  }
  const answer = (content: ReadonlyArray<unknown>, stopReason = "end_turn", more: object = {}) => ({
    output: { message: { role: "assistant", content } },
    stopReason,
    ...more
  })

  it("that is none is malformed, and so is one with nothing in it", () => {
    expect(read("hi")).toBe("MalformedAnswer")
    expect(read({ message: "hi" })).toBe("MalformedAnswer")
    expect(read(answer([]))).toBe("MalformedAnswer")
    expect(read(answer([], "guardrail_intervened"))).toMatchObject({
      completion: { choices: [{ finish_reason: "content_filter" }] }
    })
  })

  it("that the model broke is a failure", () => {
    expect(read(answer([{ text: "x" }], "malformed_model_output"))).toBe("UpstreamFailed")
  })

  it("counts what was read from the cache and written to it, for an hour apart", () => {
    const usage = {
      inputTokens: 1,
      outputTokens: 2,
      totalTokens: 1003,
      cacheReadInputTokens: 400,
      cacheWriteInputTokens: 600,
      cacheDetails: [{ ttl: "1h", inputTokens: 500 }, { ttl: "5m", inputTokens: 100 }]
    }
    expect(read(answer([{ text: "x" }], "end_turn", { usage }))).toMatchObject({
      usage: {
        promptTokens: 1001,
        completionTokens: 2,
        totalTokens: 1003,
        cachedTokens: 400,
        cacheWriteTokens: 100,
        cacheWrite1hTokens: 500
      }
    })
  })

  it("keeps all digits of a call's arguments", () => {
    const text = JSON.stringify(answer([{ toolUse: { toolUseId: "t", name: "f", input: { n: 7 } } }], "tool_use"))
    const result = bedrockConverse.readAnswer(text.replace("{\"n\":7}", "{\"n\":12345678901234567890}"), {
      id: "c",
      created: 1,
      model: "m",
      nowMs: 0
    })
    if ("_tag" in result) throw new Error(result.message)
    expect(JSON.parse(result.text).choices[0].message.tool_calls[0].function.arguments)
      .toBe("{\"n\":12345678901234567890}")
  })

  it("takes the text of cited answers", () => {
    const cited = { citationsContent: { content: [{ text: "4 m" }], citations: [] } }
    expect(read(answer([{ text: "It is " }, cited]))).toMatchObject({
      completion: { choices: [{ message: { content: "It is 4 m" } }] }
    })
  })
})
