import { describe, expect, it } from "@effect/vitest"
import { deflateRawSync } from "node:zlib"
import * as OpaqueState from "../../../src/providers/protocols/OpaqueState.ts"

describe("what travels in the id of a call", () => {
  it("comes back to its owner, and to no other", () => {
    const state = JSON.stringify([{
      thinking: "The waves break at the wall, so the boats lie still.",
      signature: "c2ln"
    }])
    const carried = OpaqueState.carry("call_1", "a", state)
    expect(OpaqueState.idOf(carried)).toBe("call_1")
    expect(OpaqueState.stateOf(carried, "a")).toBe(state)
    expect(OpaqueState.stateOf(carried, "b")).toBeUndefined()
  })

  it("comes back to the model alone that it is of, in whatever region or under whatever path", () => {
    const carried = OpaqueState.carry("call_1", "b", "state", "us.anthropic.claude-sonnet-4-5-v1:0")
    const read = (model: string) => OpaqueState.stateOf(carried, "b", model)
    expect(read("eu.anthropic.claude-sonnet-4-5-v1:0")).toBe("state")
    expect(["us.anthropic.claude-opus-4-5-v1:0", "us.anthropic.claude-sonnet-4", "m"].map(read)).toEqual([
      undefined,
      undefined,
      undefined
    ])
  })

  it("is not unpacked where a caller has packed much more than anybody thinks", () => {
    const bomb = deflateRawSync("x".repeat(1000 * 1000)).toString("base64url")
    expect(OpaqueState.stateOf(`call_1__bw1a${bomb}`, "a")).toBeUndefined()
  })
})
