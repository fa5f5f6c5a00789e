import { afterAll, afterEach, beforeAll, beforeEach, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CredentialRejected, gatewayError } from "../../src/domain/GatewayError.ts"
import * as Kinds from "../../src/providers/Kinds.ts"
import * as TokenFile from "../../src/providers/TokenFile.ts"
import * as Transport from "../../src/providers/Transport.ts"
import type { Endpoint } from "../../src/providers/WireRequest.ts"
import { type CloudUpstream, start } from "../exchanges/CloudUpstream.ts"
import { callOf } from "./Calls.ts"

const json = { "content-type": "application/json" }
const said = JSON.stringify({
  candidates: [{ content: { parts: [{ text: "hi" }] }, finishReason: "STOP" }],
  output: { message: { role: "assistant", content: [{ text: "hi" }] } },
  stopReason: "end_turn",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }]
})

/** What the upstream takes, as `authorization` has it. */
let good = "Bearer one"
let upstream: CloudUpstream
beforeAll(async () => {
  upstream = await start(({ headers }) =>
    headers.authorization?.startsWith(good) === true
      ? { headers: json, pieces: [said] }
      : { status: 401, headers: json, pieces: ["{}"] }
  )
})
afterAll(() => upstream.close())

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "breakwater-token-"))
  file = join(folder, "token")
  good = "Bearer one"
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** As those do it who renew tokens: whole or not at all. */
const write = (text: string): void => {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

const settings: Readonly<Record<string, () => Kinds.ProviderSettings>> = {
  gemini: () => ({
    kind: "gemini",
    baseUrl: `${upstream.url}/v1/projects/p/locations/global/publishers/google`,
    tokenFile: file
  }),
  "azure-openai": () => ({ kind: "azure-openai", baseUrl: upstream.url, tokenFile: file }),
  bedrock: () => ({ kind: "bedrock", baseUrl: upstream.url, region: "us-east-1", tokenFile: file }),
  "bedrock-mantle": () => ({ kind: "bedrock-mantle", baseUrl: upstream.url, region: "us-east-1", tokenFile: file })
}

const endpointOf = (path: string): Endpoint => ({ origin: "http://127.0.0.1", path, headers: {} })

layer(Transport.layer(), { excludeTestServices: true })("a token in a file", (it) => {
  for (const [kind, of] of Object.entries(settings)) {
    it.effect(`asks as ${kind}, and another is taken where the upstream refuses the first`, () =>
      Effect.gen(function*() {
        write("one\n")
        const { complete, credentials } = yield* Kinds.make("cloud", of())
        yield* complete(callOf("m"))
        good = "Bearer two"
        write("two")
        expect((yield* Effect.flip(complete(callOf("m")))).reason._tag).toBe("CredentialRejected")
        expect(credentials?.states(0)).toEqual(["usable"])
        yield* complete(callOf("m"))
        expect(upstream.asked.slice(-3).map(({ headers }) => headers.authorization))
          .toEqual(["Bearer one", "Bearer one", "Bearer two"])
      }))
  }

  // As AWS's tools print it, and as the endpoint of a container says it.
  it.effect.each(["SessionToken", "Token"])(
    "may be AWS's keys, which sign, with a %s",
    (name) =>
      Effect.gen(function*() {
        const keys = { Version: 1, AccessKeyId: "AKID", SecretAccessKey: "s", [name]: `session as ${name}` }
        write(JSON.stringify(keys, null, 2))
        good = "AWS4-HMAC-SHA256 Credential=AKID/"
        const { complete } = yield* Kinds.make("cloud", settings["bedrock"]!()) // it is one of them
        yield* complete(callOf("m"))
        expect(upstream.asked.at(-1)?.headers["x-amz-security-token"]).toBe(`session as ${name}`)
      })
  )

  it.effect("holds no token where it is JSON, which would tell its secrets, but for AWS's keys where they are read", () =>
    Effect.gen(function*() {
      const keys = JSON.stringify({ AccessKeyId: "AKID", SecretAccessKey: "s" })
      const secretOf = (text: string, readsAwsKeys: boolean) =>
        Effect.gen(function*() {
          write(text)
          const { endpoint } = yield* TokenFile.open("cloud", file, { readsAwsKeys })
          let seen = "none"
          yield* Effect.exit(endpoint((secret) => {
            seen = Redacted.value(secret)
            return Effect.succeed(endpointOf("/"))
          }))
          return seen
        })
      expect(yield* secretOf(keys, true)).toBe(keys)
      expect(yield* secretOf(keys, false)).toBe("none")
      for (const text of ["{\"foo\":1}", "{\"accessToken\":\"t\"}", "{}"]) {
        expect(yield* secretOf(text, true)).toBe("none")
      }
    }))

  it.effect("that is not renewed by then is dead until another stands in the file, which is seen by itself", () =>
    Effect.gen(function*() {
      write("one")
      const { credentials, endpoint } = yield* TokenFile.open("cloud", file, { everyMs: 5 })
      const made = endpoint((secret) => Effect.succeed(endpointOf(`/${String(secret)}`)))
      const clock = yield* Effect.clockWith(Effect.succeed)
      const refused = new CredentialRejected({ message: "", upstreamStatus: 401 })
      const { refresh = Effect.void } = credentials.note(credentials.pick("m", clock), "m", refused, clock)
      yield* refresh
      expect(credentials.states(0)).toEqual(["dead: rejected"])
      expect(yield* made).toBe(yield* made)
      write("two")
      while (credentials.states(0)[0] !== "usable") yield* Effect.sleep(5)
    }))

  it.effect("that is missing, no token or far too long leaves the last good one in force", () =>
    Effect.gen(function*() {
      const { credentials, endpoint } = yield* TokenFile.open("cloud", file, { everyMs: 60_000 })
      const seen: Array<string> = []
      const made = endpoint(() => {
        seen.push("made")
        return Effect.succeed(endpointOf("/"))
      })
      const clock = yield* Effect.clockWith(Effect.succeed)
      const renew = () => {
        credentials.reset(0)
        const refused = new CredentialRejected({ message: "", upstreamStatus: 401 })
        return credentials.note(credentials.pick("m", clock), "m", refused, clock).refresh ?? Effect.void
      }
      expect((yield* Effect.flip(made)).reason).toMatchObject({
        _tag: "CredentialRejected",
        message: "The provider cloud cannot be asked: its token file holds no token."
      })
      write("one")
      yield* renew()
      yield* made
      for (const text of ["", "  \n", "two words", "line\nline", "{ no json", "x".repeat(70_000)]) {
        write(text)
        yield* renew()
        expect(credentials.states(0)).toEqual(["dead: rejected"])
        yield* made
      }
      rmSync(file)
      yield* renew()
      yield* made
      expect(seen).toEqual(["made"])
    }))

  it.effect("is in no error", () =>
    Effect.gen(function*() {
      write("one")
      const { endpoint } = yield* TokenFile.open("cloud", file)
      const made = endpoint(() => Effect.fail(gatewayError(new CredentialRejected({ message: "no" }))))
      expect(JSON.stringify(yield* Effect.flip(made))).not.toContain("one")
    }))
})
