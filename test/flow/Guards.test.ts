import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"
import {
  ContextLengthExceeded,
  gatewayError,
  type Reason,
  UpstreamFailed,
  UpstreamRefused
} from "../../src/domain/GatewayError.ts"
import { Completion } from "../../src/gateway/Completion.ts"
import type { Frame } from "../../src/providers/Provider.ts"
import { type Guard, Guards, type GuardSettings, type ModerationSettings } from "../../src/validation/Guard.ts"
import { ask, askVectors, flow, type Play, type Script, script } from "./Scripted.ts"

const secret = "zoe@example.com"

const guarded = (
  one: Script,
  guards: GuardSettings | undefined,
  brought: ReadonlyArray<readonly [string, Guard]> = []
) =>
  flow([one], {
    aliases: {
      fast: { strategy: "ordered", targets: [{ provider: one.name, model: "m", weight: 1 }], guards }
    }
  }).pipe(Layer.provide(Layer.succeed(Guards, new Map(brought))))

const complete = (request = ask()) => Effect.flatMap(Completion, (flow) => flow.complete(request))

const framesOf = Effect.flatMap(Completion, (flow) => flow.stream(ask({ stream: true }))).pipe(
  Effect.flatMap((answer) => Stream.runCollect(Stream.fromPull(Effect.succeed(answer.pull)))),
  Effect.scoped
)

const saidIn = (frames: Iterable<Frame>): string =>
  Array.from(frames, ({ bytes }) => JSON.parse(Buffer.from(bytes ?? []).toString().slice(6)))
    .map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")

const words = (...said: ReadonlyArray<string>): Play => ({ words: said, end: "clean" })

describe("a model with a mask", () => {
  it.effect("sends its prompts masked, in text and parts, and nothing else of them is changed", () => {
    const one = script("a", "ok")
    const messages = [
      { role: "system" as const, content: `ask ${secret}` },
      { role: "user" as const, content: [{ type: "text" as const, text: `I am ${secret}` }] },
      { role: "user" as const, content: "hello" }
    ] as const
    return complete(ask({ messages, seed: 7 })).pipe(
      Effect.map(() => {
        const { source } = one.calls[0] ?? { source: undefined }
        expect(JSON.parse(source?.text ?? "")).toEqual({
          model: "fast",
          messages: JSON.parse(JSON.stringify(messages).replaceAll(secret, "[email]")),
          seed: 7
        })
      }),
      Effect.provide(guarded(one, { mask: {} }))
    )
  })

  it.effect("refuses a message in which an upstream may read another text than the mask does", () => {
    const one = script("a", "ok")
    return Effect.gen(function*() {
      const part = { type: "text" as const, text: "hello", Text: secret }
      for (const message of [{ role: "user", content: "hello", Content: secret }, { role: "user", content: [part] }]) {
        const messages = [{ role: "user" as const, content: "hello" }, message as { role: "user"; content: string }]
        const { reason } = yield* Effect.flip(complete(ask({ messages: messages as [typeof messages[0]] })))
        expect([reason._tag, reason.param, reason.errorCode]).toEqual([
          "InvalidRequest",
          "messages[1]",
          "routing_member"
        ])
      }
      expect(one.calls).toEqual([])
    }).pipe(Effect.provide(guarded(one, { mask: {} })))
  })

  it.effect("hands on the caller's own text where there is nothing to mask", () => {
    const one = script("a", "ok")
    const request = ask()
    return complete(request).pipe(
      Effect.map(() => expect(one.calls[0]?.source).toBe(request.source)),
      Effect.provide(guarded(one, { mask: {} }))
    )
  })

  it.effect("gives out its answers masked", () =>
    complete().pipe(
      Effect.map((answer) => {
        expect(answer.completion.choices[0]?.message.content).toBe("I am [email]")
        expect(JSON.parse(answer.text)).toEqual(answer.completion)
      }),
      Effect.provide(guarded(script(secret, "ok"), { mask: {} }))
    ))

  it.effect("gives out its streams masked, though a match comes in pieces, with its last word at the end", () =>
    framesOf.pipe(
      Effect.map((frames) => {
        expect(saidIn(frames)).toBe("write to [email] or [email]")
        const last = Array.from(frames).at(-1)?.chunk.choices[0]
        expect(last).toMatchObject({ finish_reason: "stop", delta: { content: "[email]" } })
      }),
      Effect.provide(
        guarded(script("a", words("write ", "to zo", "e@exa", "mple.com or", " zoe@", "example.com")), { mask: {} })
      )
    ))

  it.effect("masks prompts alone, or answers alone, or some kinds alone, as it is told", () =>
    Effect.gen(function*() {
      const prompt = ask({ messages: [{ role: "user", content: `${secret} 192.168.1.1` }] })
      const asked = (guards: GuardSettings) => {
        const one = script(secret, "ok")
        return Effect.map(Effect.provide(complete(prompt), guarded(one, guards)), (answer) => ({
          sent: one.calls[0]?.request.messages[0]?.content,
          said: answer.completion.choices[0]?.message.content
        }))
      }
      expect(yield* asked({ mask: { answers: false } })).toEqual({ sent: "[email] [ip]", said: `I am ${secret}` })
      expect(yield* asked({ mask: { prompts: false } })).toEqual({
        sent: `${secret} 192.168.1.1`,
        said: "I am [email]"
      })
      expect(yield* asked({ mask: { kinds: ["ip"] } })).toEqual({ sent: `${secret} [ip]`, said: `I am ${secret}` })
    }))
})

describe("a guard that an application brings", () => {
  const refusing: Guard = {
    whenFailing: "refuse",
    before: (request) =>
      Effect.succeed(
        request.messages.length > 1 ? { _tag: "Refuse", message: "Two messages are too many here." } : { _tag: "Pass" }
      ),
    after: (answer) =>
      Effect.succeed(
        answer.model === "m" ? { _tag: "Refuse", message: "This answer is not given out." } : { _tag: "Pass" }
      )
  }
  const user = { role: "user" as const, content: "x" }

  it.effect("refuses a request before anybody is asked, with its own word and code", () => {
    const one = script("a", "ok")
    return Effect.flip(complete(ask({ messages: [user, user] }))).pipe(
      Effect.map(({ reason }) => {
        expect(reason).toMatchObject({ _tag: "ContentFiltered", message: "Two messages are too many here." })
        expect([reason.status, reason.errorCode]).toEqual([400, "guard_refused"])
        expect(one.calls).toEqual([])
      }),
      Effect.provide(guarded(one, { use: ["strict"] }, [["strict", refusing]]))
    )
  })

  it.effect("refuses an answer before it is given out", () =>
    Effect.flip(complete()).pipe(
      Effect.map(({ reason }) => expect(reason.message).toBe("This answer is not given out.")),
      Effect.provide(guarded(script("a", "ok"), { use: ["strict"] }, [["strict", refusing]]))
    ))

  it.effect("sees what comes before the mask does, and each guard what the one before left", () => {
    const seen: Array<string> = []
    const note: Guard = {
      whenFailing: "refuse",
      stream: () => ({
        push: (text) => {
          seen.push(text)
          return text.toUpperCase()
        },
        end: () => "."
      })
    }
    return framesOf.pipe(
      Effect.map((frames) => {
        expect(seen).toEqual(["", "zoe@example.com", " writes"])
        expect(saidIn(frames)).toBe("[email] WRITES.")
      }),
      Effect.provide(guarded(script("a", words(secret, " writes")), { use: ["note"], mask: {} }, [["note", note]]))
    )
  })

  it.effect("that nobody brought keeps the gateway from starting", () =>
    Effect.map(Effect.exit(Effect.provide(complete(), guarded(script("a", "ok"), { use: ["nobody"] }))), (exit) => {
      expect(String(exit)).toContain("there is no guard named nobody")
    }))
})

describe("a guard that cannot judge", () => {
  const failing = (whenFailing: Guard["whenFailing"]): ReadonlyArray<readonly [string, Guard]> => [
    ["fails", {
      whenFailing,
      before: () => Effect.fail({ _tag: "GuardFailed", message: "its list is away" })
    }],
    ["dies", {
      whenFailing,
      after: () => {
        throw new Error("a bug")
      }
    }],
    ["waits", { whenFailing, within: 500, before: () => Effect.never }],
    ["throws", {
      whenFailing,
      stream: () => ({
        push: () => {
          throw new Error("a bug")
        },
        end: () => ""
      })
    }]
  ]
  const kinds = ["fails", "dies", "waits"]

  it.effect("lets nothing pass where it says so, and stops waiting in its time", () =>
    Effect.forEach(kinds, (kind) =>
      Effect.gen(function*() {
        const one = script("a", "ok")
        const asked = Effect.provide(Effect.flip(complete()), guarded(one, { use: [kind] }, failing("refuse")))
        const fiber = yield* Effect.forkChild(asked)
        yield* TestClock.adjust(500)
        const { reason } = yield* Fiber.join(fiber)
        expect([kind, reason.status, reason.errorCode, one.calls.length])
          .toEqual([kind, 503, "guard_unavailable", kind === "dies" ? 1 : 0])
      }), { discard: true }))

  it.effect("lets it pass where it says so", () =>
    Effect.forEach(kinds, (kind) =>
      Effect.gen(function*() {
        const asked = Effect.provide(complete(), guarded(script("a", "ok"), { use: [kind] }, failing("pass")))
        const fiber = yield* Effect.forkChild(asked)
        yield* TestClock.adjust(500)
        expect((yield* Fiber.join(fiber)).completion.choices[0]?.message.content).toBe("I am a")
      }), { discard: true }))

  it.effect("ends a stream, or leaves the rest of it as it is", () =>
    Effect.gen(function*() {
      const streamed = (whenFailing: Guard["whenFailing"]) =>
        Effect.provide(framesOf, guarded(script("a", words("one ", "two")), { use: ["throws"] }, failing(whenFailing)))
      expect((yield* Effect.flip(streamed("refuse"))).reason.errorCode).toBe("guard_unavailable")
      expect(saidIn(yield* streamed("pass"))).toBe("one two")
    }))
})

describe("a moderation", () => {
  /** Flags what has the word in it. */
  const judge = (asked: Array<ReadonlyArray<string>> = []): Script => ({
    ...script("judge", "ok"),
    moderate: ({ input }) =>
      Effect.sync(() => {
        asked.push(input)
        return input.map((text) => text.includes("bomb") ? ["violence", "illicit"] : undefined)
      })
  })
  const moderated = (
    one: Script,
    other: Script,
    settings: Partial<ModerationSettings> = {},
    guards: GuardSettings = {}
  ) =>
    flow([one, other], {
      aliases: {
        fast: {
          strategy: "ordered",
          targets: [{ provider: one.name, model: "m", weight: 1 }],
          guards: { ...guards, moderation: { provider: "judge", whenFailing: "refuse", ...settings } }
        }
      }
    })
  const bomb = ask({
    messages: [{ role: "system", content: "Be kind." }, { role: "user", content: [{ type: "text", text: "a bomb" }] }]
  })

  it.effect("refuses the message that it flags, with its categories, before anybody is asked", () => {
    const one = script("a", "ok")
    return Effect.flip(complete(bomb)).pipe(
      Effect.map(({ reason }) => {
        expect([reason._tag, reason.status, reason.errorCode, reason.param])
          .toEqual(["ContentFiltered", 400, "guard_refused", "messages[1]"])
        expect(reason.message).toContain("violence, illicit")
        expect(reason.message).not.toContain("bomb")
        expect(one.calls).toEqual([])
      }),
      Effect.provide(moderated(one, judge()))
    )
  })

  it.effect("lets pass what it does not flag, and sees it as it is sent", () => {
    const asked: Array<ReadonlyArray<string>> = []
    const one = script("a", "ok")
    const request = ask({
      messages: [{ role: "user", content: `I am ${secret}` }, { role: "assistant", content: null }]
    })
    return Effect.map(complete(request), () => {
      expect(asked).toEqual([["I am [email]"]])
      expect(one.calls).toHaveLength(1)
    }).pipe(Effect.provide(moderated(one, judge(asked), {}, { mask: {} })))
  })

  it.effect("only flags where that is said", () => {
    const one = script("a", "ok")
    return Effect.map(complete(bomb), () => expect(one.calls).toHaveLength(1)).pipe(
      Effect.provide(moderated(one, judge(), { verdict: "flag" }))
    )
  })

  it.effect("that is away, too slow or not there at all is what its settings say", () =>
    Effect.gen(function*() {
      const away: Script["moderate"] = () => Effect.fail(gatewayError(new UpstreamFailed({ message: "no" })))
      for (const moderate of [away, () => Effect.never, undefined]) {
        for (const whenFailing of ["refuse", "pass"] as const) {
          const other = { ...script("judge", "ok"), moderate }
          const asked = Effect.exit(complete(bomb)).pipe(
            Effect.provide(moderated(script("a", "ok"), other, { whenFailing }))
          )
          const fiber = yield* Effect.forkChild(asked)
          yield* TestClock.adjust(2000)
          const exit = yield* Fiber.join(fiber)
          expect(exit._tag).toBe(whenFailing === "pass" ? "Success" : "Failure")
          if (whenFailing === "refuse") expect(JSON.stringify(exit)).toContain("guard_unavailable")
        }
      }
    }))
})

describe("a moderation that will not read the texts", () => {
  const outcome = (reason: Reason, settings: Partial<ModerationSettings>) => {
    const one = script("a", "ok")
    const judge: Script = { ...script("judge", "ok"), moderate: () => Effect.fail(gatewayError(reason)) }
    const targets = [{ provider: "a", model: "m", weight: 1 }]
    const moderation = { provider: "judge", whenFailing: "pass", ...settings } as const
    const asked = Effect.match(complete(), {
      onSuccess: () => "passes",
      onFailure: ({ reason }) => `${reason.status} ${reason.errorCode} ${reason.param} ${one.calls.length}`
    })
    const aliases = { fast: { strategy: "ordered", targets, guards: { moderation } } } as const
    return Effect.provide(asked, flow([one, judge], { aliases }))
  }
  const tooLong = new ContextLengthExceeded({ message: "no" })
  const refused = (upstreamStatus: number) => new UpstreamRefused({ message: "no", upstreamStatus })

  it.effect("lets none of them pass, whatever its settings say of failing, for callers choose their size", () =>
    Effect.gen(function*() {
      for (const reason of [tooLong, refused(400), refused(422)]) {
        for (const whenFailing of ["pass", "refuse"] as const) {
          expect(yield* outcome(reason, { whenFailing })).toBe("400 guard_refused messages 0")
        }
      }
    }))

  it.effect("is no reason to refuse where the refusal is not about them, or where it is there for the log alone", () =>
    Effect.gen(function*() {
      expect(yield* outcome(refused(405), {})).toBe("passes")
      expect(yield* outcome(tooLong, { verdict: "flag" })).toBe("passes")
    }))
})

describe("guards of the defaults", () => {
  const targets = (name: string) => [{ provider: name, model: "m", weight: 1 }]
  const layerOf = (one: Script) =>
    flow([one], {
      guards: { mask: {} },
      aliases: {
        fast: { strategy: "ordered", targets: targets(one.name) },
        open: { strategy: "ordered", targets: targets(one.name), guards: {} }
      }
    })

  it.effect("hold for aliases that have none of their own and for models asked for by name", () => {
    const one = script("a", "ok")
    return Effect.gen(function*() {
      for (const model of ["fast", "a/m", "open"]) {
        yield* complete(ask({ model, messages: [{ role: "user", content: secret }] }))
      }
      expect(one.calls.map(({ request }) => request.messages[0]?.content)).toEqual(["[email]", "[email]", secret])
    }).pipe(Effect.provide(layerOf(one)))
  })
})

describe("vectors", () => {
  it.effect("are refused by a model with guards, which do not read what they are of", () => {
    const one = script("a", "ok")
    return Effect.gen(function*() {
      const { reason } = yield* Effect.flip((yield* Completion).embed(askVectors({ input: secret })))
      expect([reason._tag, reason.code, one.calls.length]).toEqual(["InvalidRequest", "guarded_model", 0])
    }).pipe(Effect.provide(guarded(one, { mask: {} })))
  })
})

describe("a model without guards", () => {
  it.effect("has nothing on its way: the caller's text goes out and the frames come back as they are", () => {
    const one = script("a", "ok", words(secret))
    const request = ask()
    return Effect.gen(function*() {
      yield* complete(request)
      expect(one.calls[0]?.source).toBe(request.source)
      expect(saidIn(yield* framesOf)).toBe(secret)
    }).pipe(Effect.provide(guarded(one, undefined)))
  })
})
