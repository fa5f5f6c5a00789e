import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { X509Certificate } from "node:crypto"
import { doubts } from "../../src/cli/Tls.ts"
import { selfSigned } from "../faults/Certificates.ts"

const dayMs = 86_400_000

/** What is said of a certificate so many milliseconds before its end. */
const saidBefore = (certificate: NonNullable<ReturnType<typeof selfSigned>>, leftMs: number) =>
  Effect.gen(function*() {
    yield* TestClock.setTime(new X509Certificate(certificate.cert).validToDate.getTime() - leftMs)
    return (yield* doubts(certificate)).map(({ path, why }) => `${path} ${why.split(/ at |[:;]/)[0]}`)
  })

const [year, week] = [selfSigned("localhost", undefined, 365), selfSigned("localhost", undefined, 7)]

describe.skipIf(year === undefined || week === undefined)(
  "a door's certificate (skipped where there is no openssl)",
  () => {
    if (year === undefined || week === undefined) return

    it.effect("is nothing to tell while it has time", () =>
      Effect.gen(function*() {
        expect(yield* saidBefore(year, 14 * dayMs + 1)).toEqual([])
        expect(yield* saidBefore(week, 2 * dayMs)).toEqual([])
      }))

    it.effect("is warned of two weeks before its end, and one that is short-lived in its last fifth", () =>
      Effect.gen(function*() {
        expect(yield* saidBefore(year, 14 * dayMs)).toEqual(["server.tls.cert ends"])
        expect(yield* saidBefore(week, dayMs)).toEqual(["server.tls.cert ends"])
      }))

    it.effect("is warned of when it has ended, with the moment", () =>
      Effect.gen(function*() {
        expect(yield* saidBefore(year, 0)).toEqual(["server.tls.cert has ended"])
        const end = DateTime.formatIso(DateTime.makeUnsafe(new X509Certificate(year.cert).validToDate.getTime()))
        expect((yield* doubts(year))[0]?.why).toContain(end)
      }))
  }
)
