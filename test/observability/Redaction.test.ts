import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as UrlParams from "effect/http/UrlParams"
import * as Redacted from "effect/Redacted"
import { idOf, isSecretHeader, layer, modelName, scrub, scrubKeys, word } from "../../src/observability/Redaction.ts"

const secrets: ReadonlyArray<readonly [what: string, text: string, secret: string]> = [
  ["an OpenAI key", "Incorrect API key provided: sk-proj-abcDEF1234567890xyz.", "abcDEF1234567890xyz"],
  ["an Anthropic key", "key sk-ant-api03-abcdefghijkl is bad", "abcdefghijkl"],
  ["a Google key", "API key AIzaSyA1234567890abcdefghijklmnopqrstu not valid", "SyA1234567890"],
  ["an AWS id", "The security token AKIAIOSFODNN7EXAMPLE is invalid", "AKIAIOSFODNN7EXAMPLE"],
  ["a bearer token", "header was Authorization: Bearer abc.def-ghi", "abc.def-ghi"],
  ["a JWT", "token eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0 expired", "eyJzdWIiOiIx"],
  ["a client key of ours", "bw_1234567890_abcdefghijklmnop is unknown", "abcdefghijklmnop"],
  ["credentials in a URL", "cannot reach https://user:pa55word@proxy.local:3128/x", "pa55word"],
  ["a key in a query", "GET https://host/v1/models?key=abc123&alt=sse failed", "abc123"]
]

describe("what others made up", () => {
  it.each(["gpt-4.1-mini", "up/meta-llama/Llama-3:free", "ft:gpt-4o:org::a1", "hf.co/x@q4#1", "provider/*"])(
    "is told where %s is what a model can be called",
    (name) => expect(modelName(name)).toBe(name)
  )

  it.each(["", "a name with words", "line\nbreak", "größe", "\"quoted\"", "<b>"])(
    "is `other` where %j is none",
    (name) => {
      expect(modelName(name)).toBe("other")
      expect(word(name)).toBe("other")
      expect(idOf(name)).toBeUndefined()
    }
  )

  it("is cut off where a model's name is long, and no word or id where those are", () => {
    const long = "x".repeat(1000)
    expect(modelName(long)).toBe("x".repeat(256))
    expect(word(long)).toBe("other")
    expect(idOf(long)).toBeUndefined()
  })

  it.effect("is told without a secret that was put there", () =>
    Effect.sync(() => {
      expect(modelName("up/sk-proj-abcDEF1234567890xyz")).toBe("up/***")
      expect(modelName("up/opensesame2")).toBe("up/***")
      expect(idOf("req-opensesame2")).toBe("req-***")
    }).pipe(Effect.provide(layer([Redacted.make("opensesame2")]))))
})

describe("the scrubber", () => {
  it.each(secrets)("takes %s out of what an upstream said", (_, text, secret) => {
    expect(text).toContain(secret)
    expect(scrub(text)).not.toContain(secret)
  })

  it.each(secrets)("takes %s out of a line of ours", (_, text, secret) => {
    expect(scrubKeys(text)).not.toContain(secret)
  })

  // Where a look at one place goes on to the end of the text, this takes half a minute.
  it.each(["a.", "a+", "a-", "eyJaaaaaaaa.", "a://", "?key="])("is done with a long text of %s, too", (piece) => {
    const text = piece.repeat(200_000 / piece.length)
    expect(scrub(text).length).toBeLessThanOrEqual(text.length)
    expect(scrubKeys(text).length).toBeLessThanOrEqual(text.length)
  })

  it("leaves words, numbers and our own ids in a line", () => {
    const line =
      "circuit of openai/gpt-4.1-mini: closed to open 01a2071f-c02c-7670-9205-a65d6338de19 0af7651916cd43dd8448eb211c80319c"
    expect(scrubKeys(line)).toBe(line)
    expect(scrub("The model gpt-4.1-mini takes at most 128000 tokens.")).toBe(
      "The model gpt-4.1-mini takes at most 128000 tokens."
    )
  })

  it.effect("knows the secrets that are configured, whatever they look like", () =>
    Effect.sync(() => {
      expect(scrub("the word opensesame1 was wrong")).toBe("the word *** was wrong")
      expect(scrubKeys("the word opensesame1 was wrong")).toBe("the word *** was wrong")
      expect(scrub("short")).toBe("short")
    }).pipe(Effect.provide(layer([Redacted.make("opensesame1"), Redacted.make("short")]))))

  it.effect("names the headers and queries that effect/http must not show", () =>
    Effect.gen(function*() {
      const headers = Headers.redact(
        Headers.fromInput({
          "api-key": "1",
          "x-goog-api-key": "1",
          "x-session-token": "1",
          "proxy-authorization": "1",
          accept: "1"
        }),
        yield* Headers.CurrentRedactedNames
      )
      expect(Object.entries(headers).filter(([, value]) => !Redacted.isRedacted(value)).map(([name]) => name)).toEqual([
        "accept"
      ])
      expect((yield* UrlParams.CurrentRedactedNames).length).toBeGreaterThan(8)
    }).pipe(Effect.provide(layer([]))))

  it("a header is a secret by its name, in any case", () => {
    expect(["Authorization", "X-Api-Key", "x-my-secret", "Cookie"].map(isSecretHeader)).toEqual([
      true,
      true,
      true,
      true
    ])
    expect(["accept", "x-request-id"].map(isSecretHeader)).toEqual([false, false])
  })
})
