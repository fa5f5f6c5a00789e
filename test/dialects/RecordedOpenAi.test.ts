/** What real clients ask in OpenAI's own dialect, of any host: it is a request here, and goes up member by member as it was said. */
import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ChatRequest } from "../../src/domain/Chat.ts"
import { dialectOf } from "../../src/providers/protocols/CompatibleDialects.ts"
import { azureChatOf, openAiItself } from "../../src/providers/protocols/OpenAiReasoning.ts"
import { tellAbsence } from "../exchanges/Absent.ts"
import { exchanges, isPresent } from "../exchanges/Recorded.ts"
import { callOf } from "../providers/Calls.ts"

const decode = Schema.decodeUnknownOption(ChatRequest)

const spoken = (provider: string) =>
  provider === "openai" ? openAiItself : provider.startsWith("azure") ? azureChatOf({}) : dialectOf(provider)

/** How a stream is asked for is the gateway's own to say. */
const streaming = new Set(["stream", "stream_options"])

/** What Mistral's own client says in a way that OpenAI refuses: a tool without its type. */
const refused = ["mistral--chat-completions--297f2ff9.json", "mistral--chat-completions--6dc100c8.json"]

/** The mark of the cache in another's words beside OpenAI's own, which stays: it is named as left out. */
const twiceMarked = ["openai--chat-completions--6f9f124a.json"]

const plain = exchanges.filter(({ name }) => !refused.includes(name) && !twiceMarked.includes(name))

describe.skipIf(!isPresent)("a request as it was recorded", () => {
  it.each(plain)("goes up as it was said: $name", ({ provider, request: { body } }) => {
    expect(Option.isSome(decode(body))).toBe(true)
    const { model } = body
    const lowered = spoken(provider).lower(callOf(String(model), body), body["stream"] === true)
    if ("_tag" in lowered) throw new Error(lowered.message)
    const sent = JSON.parse(lowered.body)
    for (const name of Object.keys(body).filter((one) => !streaming.has(one))) {
      expect([name, sent[name]]).toEqual([name, body[name]])
    }
    expect(lowered.dropped).toBeUndefined()
  })

  it("is refused where OpenAI would refuse it, and says what was left out of it", () => {
    const bodiesOf = (names: ReadonlyArray<string>) =>
      exchanges.filter(({ name }) => names.includes(name)).map(({ request }) => request.body)
    expect(bodiesOf(refused).map((body) => Option.isSome(decode(body)))).toEqual([false, false])
    const dropped = bodiesOf(twiceMarked).map((body) => {
      const lowered = openAiItself.lower(callOf(String(body["model"]), body), true)
      return "dropped" in lowered && lowered.dropped
    })
    expect(dropped).toEqual([["cache_control"]])
  })
})

tellAbsence()
