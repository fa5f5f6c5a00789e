import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Bedrock from "../../src/providers/Bedrock.ts"
import { bedrockConverse } from "../../src/providers/protocols/BedrockConverse.ts"
import * as Transport from "../../src/providers/Transport.ts"
import { callOf, streamOf } from "../providers/Calls.ts"
import { tellAbsence } from "./Absent.ts"
import { blocksIn, isPresent, promptOf, type Recording, recordings, saidIn } from "./BedrockRecorded.ts"
import { type CloudUpstream, start } from "./CloudUpstream.ts"
import { ofChunks, ofMessage } from "./Conversation.ts"
import { fallback, play } from "./Play.ts"
import { exchangesOf, makeValidator } from "./Recorded.ts"
import { reasons } from "./Refusals.ts"
import { testRefusals } from "./RefusalTests.ts"

// Recorded JSON, read by hand.
type Loose = any

const streams = recordings.filter(({ events }) => events.length > 0)
const wholes = recordings.filter(({ events, status }) => events.length === 0 && status === 200)

const payloadsOf = (texts: ReadonlyArray<string>): ReadonlyArray<Loose> =>
  texts.map((text) => JSON.parse(text.slice(6)))

describe.skipIf(!isPresent)("a recorded whole answer", () => {
  for (const { body, name } of wholes) {
    it(`of ${name} says the same in OpenAI's form`, () => {
      const read = bedrockConverse.readAnswer(JSON.stringify(body), fallback)
      if ("_tag" in read) throw new Error(read.message)
      const written = JSON.parse(read.text)
      expect(makeValidator("chat-completion-response")(written)).toEqual([])
      expect(written).toEqual(read.completion)
      expect(ofMessage(written.choices[0])).toEqual(saidIn(body.output.message.content, body.stopReason))
      expect(read.usage).toMatchObject({
        promptTokens: promptOf(body.usage),
        completionTokens: body.usage.outputTokens,
        totalTokens: body.usage.totalTokens
      })
      expect(read.usage?.cacheWriteTokens ?? 0).toBe(body.usage.cacheWriteInputTokens ?? 0)
      expect(read.usage?.serviceTier).toBe(body.serviceTier?.type)
    })
  }

  it("with sources names them", () => {
    const grounded = wholes.find(({ name }) => name === "bedrock--converse--9ad07d5c.json")
    const read = bedrockConverse.readAnswer(JSON.stringify(grounded?.body), fallback)
    if ("_tag" in read) throw new Error(read.message)
    expect(JSON.parse(read.text).choices[0].message.annotations.map((each: Loose) => each.url_citation.url)).toEqual([
      "https://www.ruby-lang.org/en/downloads/releases/",
      "https://www.ruby-lang.org/en/downloads/",
      "https://mac.install.guide/ruby/"
    ])
  })
})

describe.skipIf(!isPresent)("a recorded stream", () => {
  for (const recording of streams) {
    const { bytes, events, name } = recording
    for (const includeUsage of [true, false]) {
      it(`of ${name} says the same in OpenAI's form, ${includeUsage ? "with" : "without"} usage`, () => {
        const played = play(bedrockConverse, [bytes], includeUsage)
        expect([played.failure, played.isDone]).toEqual([undefined, true])
        const written = payloadsOf(played.texts)
        expect(written.flatMap(makeValidator("chat-completion-chunk"))).toEqual([])
        const stop = events.find(({ messageStop }) => messageStop).messageStop.stopReason
        expect(ofChunks(written)).toEqual(saidIn(blocksIn(recording), stop))
        expect(new Set(written.map(({ created, id, model }) => `${id} ${created} ${model}`))).toEqual(
          new Set(["chatcmpl-x 1 asked"])
        )
        expect(written[0].choices[0].delta.role).toBe("assistant")
        expect(written.filter(({ choices }) => choices[0]?.delta.role !== undefined)).toHaveLength(1)
        const { usage } = events.find(({ metadata }) => metadata).metadata
        const used = played.frames.filter((frame) => frame.usage)
        expect(used.map((frame) => frame.usage?.promptTokens)).toEqual([promptOf(usage)])
        expect(used.map((frame) => frame.usage?.completionTokens)).toEqual([usage.outputTokens])
        if (!includeUsage) expect(played.texts.filter((text) => text.includes("\"usage\""))).toEqual([])
        else {
          expect(written.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: usage.totalTokens } })
          expect(written.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
        }
      })
    }

    it(`of ${name} gives the same frames wherever its bytes are split`, () => {
      const whole = play(bedrockConverse, [bytes], true).texts.join("")
      for (let at = 1; at < bytes.length; at++) {
        const split = play(bedrockConverse, [bytes.subarray(0, at), bytes.subarray(at)], true).texts.join("")
        if (split !== whole) expect(split, `split at ${at}`).toBe(whole)
      }
      expect(play(bedrockConverse, Array.from(bytes, (byte) => Uint8Array.of(byte)), true).texts.join("")).toBe(whole)
    })

    it(`of ${name} is an interruption wherever it is cut before its end, and whole after it`, () => {
      const end = bytes.indexOf("messageStop")
      for (let at = 1; at < bytes.length; at += 7) {
        const cut = play(bedrockConverse, [bytes.subarray(0, at)], true)
        if (at < end) expect([cut.failure, cut.isDone]).toEqual(["StreamInterrupted", false])
        const isFinished = cut.frames.some(({ isTerminal }) => isTerminal)
        expect(cut.failure).toBe(isFinished ? undefined : "StreamInterrupted")
      }
    })
  }
})

testRefusals("bedrock", exchangesOf("bedrock--converse"))

/** A recorded request without what says nothing: empty members, and the status of a result that went well. */
const bare = (value: Loose): Loose => {
  if (Array.isArray(value)) return value.map(bare)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, member]: Loose) =>
        !(name === "status" && member === "success") && !(name === "type" && member === "tool_use") &&
        !(["system", "inferenceConfig"].includes(name) && Object.keys(member).length === 0) &&
        !(name === "toolChoice" && member.auto !== undefined) && !(name === "serviceTier" && member.type === "default")
      )
      .map(([name, member]) => [name, bare(member)])
  )
}

/** The recorded request in OpenAI's words, put together without our code. */
const asked = ({ request }: Recording): Loose => {
  const parts = (content: ReadonlyArray<Loose>): ReadonlyArray<Loose> => {
    const out: Array<Loose> = []
    for (const { cachePoint, image, text } of content) {
      if (cachePoint) out.splice(-1, 1, { ...out.at(-1), cache_control: { type: "ephemeral" } })
      if (text !== undefined) out.push({ type: "text", text })
      if (image) {
        out.push({ type: "image_url", image_url: { url: `data:image/${image.format};base64,${image.source.bytes}` } })
      }
    }
    return out
  }
  const messages = request.messages.flatMap(({ content, role }: Loose): ReadonlyArray<Loose> => {
    const results = content.flatMap(({ toolResult }: Loose) =>
      toolResult ? [{ role: "tool", tool_call_id: toolResult.toolUseId, content: parts(toolResult.content) }] : []
    )
    const calls = content.flatMap(({ toolUse }: Loose) =>
      toolUse
        ? [{
          id: toolUse.toolUseId,
          type: "function",
          function: { name: toolUse.name, arguments: JSON.stringify(toolUse.input) }
        }]
        : []
    )
    const said = parts(content)
    if (results.length > 0) return results
    return [calls.length > 0 ? { role, content: said, tool_calls: calls } : { role, content: said }]
  })
  const { additionalModelRequestFields: fields, inferenceConfig, outputConfig, system = [], toolConfig } = request
  const schema = outputConfig?.textFormat.structure.jsonSchema
  return {
    messages: [...(system.length > 0 ? [{ role: "system", content: parts(system) }] : []), ...messages],
    ...(toolConfig
      ? {
        tools: toolConfig.tools.map(({ toolSpec }: Loose) => ({
          type: "function",
          function: { name: toolSpec.name, description: toolSpec.description, parameters: toolSpec.inputSchema.json }
        })),
        tool_choice: toolConfig.toolChoice?.any ? "required" : "auto"
      }
      : {}),
    ...(inferenceConfig?.stopSequences ? { stop: inferenceConfig.stopSequences } : {}),
    ...(inferenceConfig?.topP ? { top_p: inferenceConfig.topP } : {}),
    ...(schema
      ? { response_format: { type: "json_schema", json_schema: { ...schema, schema: JSON.parse(schema.schema) } } }
      : {}),
    ...(fields?.output_config ? { reasoning_effort: fields.output_config.effort } : {}),
    ...(fields?.thinking.budget_tokens ? { reasoning_effort: "minimal" } : {})
  }
}

/** A schema's text is compared by what it says. */
const withSchema = (body: Loose): Loose => {
  const schema = body.outputConfig?.textFormat.structure.jsonSchema
  return schema ? { ...body, schema: JSON.parse(schema.schema), outputConfig: schema.name } : body
}

describe.skipIf(!isPresent)("a recorded request", () => {
  const usual = recordings.filter(({ request }) =>
    request.toolConfig?.tools.every(({ toolSpec }: Loose) => toolSpec !== undefined) ?? true
  )
  for (const recording of usual) {
    it(`of ${recording.name} is what the same request in OpenAI's words comes to`, () => {
      const model = decodeURIComponent(recording.path.split("/")[2] ?? "")
      const stream = recording.path.endsWith("-stream")
      const lowered = bedrockConverse.lower(callOf(model, asked(recording)), stream)
      if ("_tag" in lowered) throw new Error(lowered.message)
      expect(lowered.dropped).toBeUndefined()
      expect(withSchema(JSON.parse(lowered.body))).toEqual(withSchema(bare(recording.request)))
      expect(decodeURIComponent(lowered.path ?? "")).toBe(decodeURIComponent(recording.path))
    })
  }
})

describe.skipIf(!isPresent)("a recorded exchange over a socket", () => {
  let next: Recording | undefined
  let upstream: CloudUpstream
  beforeAll(async () => {
    upstream = await start(() => {
      if (next === undefined) return { status: 500, pieces: [] }
      const { body, bytes, events, headers, status } = next
      const type = events.length > 0 ? "application/vnd.amazon.eventstream" : "application/json"
      const size = Math.ceil(bytes.length / 7)
      const pieces = Array.from({ length: 7 }, (_, at) => bytes.subarray(at * size, (at + 1) * size))
      return {
        status,
        headers: {
          "content-type": type,
          "x-amzn-errortype": headers["x-amzn-errortype"] ?? "",
          "x-amzn-requestid": "r-1"
        },
        pieces: events.length > 0 ? pieces : [JSON.stringify(body)]
      }
    })
  })
  afterAll(() => upstream.close())

  for (const recording of recordings) {
    it.live(`is read by the provider: ${recording.name}`, () =>
      Effect.gen(function*() {
        next = recording
        const { events, status } = recording
        const provider = yield* Bedrock.make({
          name: "bedrock",
          region: "us-east-1",
          auth: { accessKeyId: "AKID", secretAccessKey: Redacted.make("s") },
          baseUrl: upstream.url
        })
        if (events.length > 0) {
          const fields = { stream: true, stream_options: { include_usage: true } }
          const read = yield* streamOf(provider, callOf("asked", fields))
          const alone = play(bedrockConverse, [recording.bytes], true)
          const stable = (text: string) => text.replaceAll(/"(?:id|model)":"[^"]*"|"created":\d+/g, "")
          expect(read.error).toBeUndefined()
          expect(stable(read.sent).replaceAll(/call_\w+/g, "")).toBe(
            stable(alone.texts.join("")).replaceAll(/call_\w+/g, "")
          )
        } else if (status === 200) {
          const answer = yield* provider.complete(callOf("asked"))
          expect(answer.upstreamRequestId).toBe("r-1")
          expect(answer.usage?.completionTokens).toBe(recording.body.usage.outputTokens)
        } else {
          const { reason } = yield* Effect.flip(provider.complete(callOf("asked")))
          expect(reason._tag).toBe(reasons[recording.name])
        }
      }).pipe(Effect.provide(Transport.layer())))
  }
})

tellAbsence()
