import { describe, expect, it } from "@effect/vitest"
import { carry } from "../../../src/providers/protocols/OpaqueState.ts"
import { azureChatOf, openAiItself } from "../../../src/providers/protocols/OpenAiReasoning.ts"
import { callOf } from "../Calls.ts"

const lowered = (model: string, fields: object, dialect = openAiItself) => {
  const said = dialect.lower(callOf(model, { ...fields }), false)
  if ("_tag" in said) throw new Error(said.message)
  const { messages: _, model: __, ...body } = JSON.parse(said.body)
  return { body, dropped: said.dropped, text: said.body }
}

const azureChat = azureChatOf({})

const ofAnotherTarget = { max_tokens: 300, temperature: 0.2, top_p: 0.9, seed: 7 }

describe("a request that was written for another model", () => {
  it.each([["OpenAI", openAiItself], ["Azure", azureChat]])(
    "has no id of a call that is longer than %s takes, the same for the call and its result",
    (_, dialect) => {
      const long = (at: number) => `functions.find_the_next_high_water_at_the_harbour:${at}`
      const ids = [long(0), long(1), carry("toolu_01", "a", "[]".padEnd(99)), "call_PTLP8xhu3uwZk4l3nlnrrJha"]
      const messages = [
        { role: "user", content: long(0) },
        {
          role: "assistant",
          content: null,
          tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "f", arguments: "{}" } }))
        },
        ...ids.map((id) => ({ role: "tool", tool_call_id: id, content: "4.2 m" }))
      ]
      const [asked, { tool_calls: calls }, ...results] = JSON.parse(lowered("gpt-4.1", { messages }, dialect).text)
        .messages
      const sent: ReadonlyArray<string> = calls.map(({ id }: { id: string }) => id)
      expect(results.map((one: { tool_call_id: string }) => one.tool_call_id)).toEqual(sent)
      expect(sent.slice(2)).toEqual(["toolu_01", "call_PTLP8xhu3uwZk4l3nlnrrJha"])
      expect(new Set(sent).size).toBe(4)
      for (const id of sent) expect(id).toMatch(/^[\w-]{1,40}$/)
      expect(asked.content).toBe(long(0))
    }
  )

  it.each(["gpt-5", "gpt-5-mini", "o3", "o4-mini", "o3-mini"])(
    "says the limit in the words of %s, and no sampling",
    (model) => {
      expect(lowered(model, ofAnotherTarget)).toMatchObject({
        body: { max_completion_tokens: 300, seed: 7 },
        dropped: ["temperature", "top_p"]
      })
      expect(lowered(model, ofAnotherTarget).body).not.toHaveProperty("max_tokens")
    }
  )

  it.each([["gpt-4.1", openAiItself], ["gpt-4o-mini", azureChat]])(
    "says no effort to %s, which does not think, and names it where it says anything",
    (model, dialect) => {
      const said = (reasoning_effort: string) =>
        lowered(model, { max_tokens: 5, temperature: 0.2, reasoning_effort }, dialect)
      const body = { max_tokens: 5, temperature: 0.2 }
      expect(said("high")).toMatchObject({ body, dropped: ["reasoning_effort"] })
      for (const effort of ["none", "default"]) {
        expect([said(effort).body, said(effort).dropped]).toEqual([body, undefined])
      }
    }
  )

  it("says the effort where a model thinks, or nobody knows, but for a word that is not OpenAI's", () => {
    for (const model of ["gpt-5", "somebody's"]) {
      expect(lowered(model, { reasoning_effort: "high" }).body).toEqual({ reasoning_effort: "high" })
      expect(lowered(model, { reasoning_effort: "default" })).toMatchObject({ body: {}, dropped: undefined })
      expect(lowered(model, { reasoning_effort: "default" }).body).toEqual({})
    }
  })

  it("names nothing where what is left out says nothing", () => {
    const { body, dropped } = lowered("gpt-5", { temperature: 1, top_p: 1, frequency_penalty: 0, logprobs: false })
    expect([body, dropped]).toEqual([{}, undefined])
  })

  it("keeps sampling where the model takes it as long as it does not think", () => {
    for (const effort of [{}, { reasoning_effort: "none" }]) {
      const { body, dropped } = lowered("gpt-5.2", { ...ofAnotherTarget, ...effort })
      expect([body, dropped]).toEqual([
        { max_completion_tokens: 300, temperature: 0.2, top_p: 0.9, seed: 7, ...effort },
        undefined
      ])
    }
    expect(lowered("gpt-5.2", { ...ofAnotherTarget, reasoning_effort: "low" }).dropped).toEqual([
      "temperature",
      "top_p"
    ])
  })

  it("goes up to the letter for models that take all of it, and for those that nobody knows", () => {
    for (const model of ["gpt-4.1", "gpt-4o-mini", "my-own"]) {
      expect(lowered(model, ofAnotherTarget).body).toEqual(ofAnotherTarget)
    }
  })

  it("has neither another model's thoughts nor its marks of what to cache, whichever of OpenAI's it comes to", () => {
    const messages = [
      { role: "system", content: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }] },
      { role: "assistant", content: "a", reasoning_content: "hm" },
      { role: "user", content: "hi" }
    ]
    for (
      const [model, dropped] of [["gpt-4.1", ["cache_control"]], ["gpt-5", ["cache_control", "temperature"]]] as const
    ) {
      const said = lowered(model, { messages, temperature: 0.2 })
      expect([JSON.parse(said.text).messages, said.dropped]).toEqual([
        [{ role: "system", content: [{ type: "text", text: "s" }] }, { role: "assistant", content: "a" }, messages[2]],
        dropped
      ])
    }
  })

  it("keeps big integers as they were written", () => {
    const call = callOf("gpt-5", { max_tokens: 5 })
    const source = {
      ...call.source,
      text: call.source.text.replace("\"max_tokens\":5", "\"max_tokens\":5,\"seed\":12345678901234567890")
    }
    const said = openAiItself.lower({ ...call, source }, false)
    expect("body" in said && said.body).toContain("\"seed\":12345678901234567890")
  })

  it("is put right for a deployment of Azure's that has its model's name", () => {
    expect(lowered("gpt-5-mini", ofAnotherTarget, azureChat)).toMatchObject({
      body: { max_completion_tokens: 300 },
      dropped: ["temperature", "top_p"]
    })
    expect(lowered("prod-chat", ofAnotherTarget, azureChat).body).toEqual(ofAnotherTarget)
  })

  it("is put right for a deployment that is said to be such a model, whatever its name", () => {
    const said = azureChatOf({ deployments: { "prod-chat": "gpt-5-mini", "gpt-5": "gpt-4.1" } })
    expect(lowered("prod-chat", ofAnotherTarget, said)).toMatchObject({
      body: { max_completion_tokens: 300 },
      dropped: ["temperature", "top_p"]
    })
    expect(lowered("gpt-5", ofAnotherTarget, said).body).toEqual(ofAnotherTarget)
    expect(lowered("constructor", ofAnotherTarget, said).body).toEqual(ofAnotherTarget)
  })
})
