import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import cluster, { type Worker } from "node:cluster"
import { Fleet, hub, layerSingle } from "../../src/storage/Fleet.ts"

describe("a process alone", () => {
  it.effect("is a fleet of one: it answers what it is asked", () =>
    Effect.gen(function*() {
      const fleet = yield* Fleet
      yield* fleet.handle("double", (body) => Effect.succeed(Number(body) * 2))
      expect(yield* fleet.broadcast({ topic: "double", body: 21 })).toEqual([{ worker: 0, body: 42 }])
      expect(yield* fleet.gather({ topic: "double", body: 4 })).toEqual([{ worker: 0, body: 8 }])
    }).pipe(Effect.scoped, Effect.provide(layerSingle)))

  it.effect("says so when a broadcast is not acknowledged, and gathers what there is", () =>
    Effect.gen(function*() {
      const fleet = yield* Fleet
      yield* fleet.handle("fail", () => Effect.fail({ message: "no" }))
      const error = yield* Effect.flip(fleet.broadcast({ topic: "fail", body: null }))
      expect(error.missing).toEqual([{ worker: 0, why: "no" }])
      expect(yield* fleet.gather({ topic: "fail", body: null })).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(layerSingle)))

  it.effect("forgets a handler when its scope closes", () =>
    Effect.gen(function*() {
      const fleet = yield* Fleet
      yield* Effect.scoped(fleet.handle("gone", () => Effect.succeed(1)))
      const error = yield* Effect.flip(fleet.broadcast({ topic: "gone", body: null }))
      expect(error.missing).toEqual([{ worker: 0, why: "nobody handles gone" }])
    }).pipe(Effect.provide(layerSingle)))
})

/** A worker as its primary sees it, and what that said to it. */
const makeWorker = (id: number) => {
  const heard: Array<{ readonly fleet: string; readonly number: number }> = []
  const part = {
    id,
    isConnected: () => true,
    isDead: () => false,
    send: (parcel: (typeof heard)[number]) => heard.push(parcel)
  }
  // The part of a worker that the primary uses.
  return { heard, worker: part as unknown as Worker }
}

describe("a primary", () => {
  it.effect("answers a worker out of what it keeps for all, and hears of one that has gone", () =>
    Effect.gen(function*() {
      const [one, two] = [makeWorker(1), makeWorker(2)]
      const told: Array<string> = []
      yield* hub({ serving: () => [], starting: () => [] }, {}, [{
        topic: "desk",
        answer: (body, worker) =>
          body === "bad" ? Effect.fail({ message: "no" }) : Effect.succeed(`${String(body)} of ${worker}`),
        gone: (worker) => Effect.sync(() => void told.push(`${worker} has gone`))
      }])
      const consult = (from: Worker, number: number, topic: string, body: unknown) =>
        cluster.emit("message", from, { fleet: "consult", number, message: { topic, body } })
      consult(one.worker, 1, "desk", "order")
      consult(two.worker, 1, "desk", "bad")
      consult(two.worker, 2, "other", null)
      yield* Effect.yieldNow
      expect(one.heard).toEqual([{ fleet: "answer", number: 1, outcomes: [{ worker: 0, body: "order of 1" }] }])
      expect(two.heard).toEqual([
        { fleet: "answer", number: 1, outcomes: [{ worker: 0, failed: "no" }] },
        { fleet: "answer", number: 2, outcomes: [{ worker: 0, failed: "nobody keeps other" }] }
      ])
      cluster.emit("exit", two.worker, 1, null)
      yield* Effect.yieldNow
      expect(told).toEqual(["2 has gone"])
    }).pipe(Effect.scoped))

  it.effect("gives the asker what the others said when one of them is silent, before the asker's own patience ends", () =>
    Effect.gen(function*() {
      const [asker, silent] = [makeWorker(1), makeWorker(2)]
      yield* hub({ serving: () => [asker.worker, silent.worker], starting: () => [] })
      cluster.emit("message", asker.worker, { fleet: "ask", number: 7, message: { topic: "metrics", body: null } })
      const number = asker.heard[0]?.number
      cluster.emit("message", asker.worker, { fleet: "done", number, outcome: { worker: 1, body: "mine" } })
      yield* TestClock.adjust(3999)
      expect(asker.heard).toHaveLength(1)
      yield* TestClock.adjust(1)
      expect(asker.heard[1]).toEqual({
        fleet: "answer",
        number: 7,
        outcomes: [{ worker: 1, body: "mine" }, { worker: 2, failed: "no answer in time" }]
      })
      cluster.emit("message", silent.worker, { fleet: "done", number, outcome: { worker: 2, body: "late" } })
      expect(asker.heard).toHaveLength(2)
    }).pipe(Effect.scoped))

  it.effect("counts workers that are gone with what they last said, each of them once", () =>
    Effect.gen(function*() {
      const [asker, other, third] = [makeWorker(1), makeWorker(2), makeWorker(3)]
      const serving = new Set([asker.worker, other.worker])
      const leaving = new Set<Worker>()
      yield* hub({ serving: () => serving, starting: () => [], leaving: () => leaving }, {
        sum: (bodies) => bodies.reduce<number>((all, body) => all + Number(body), 0)
      })
      const answers = () =>
        asker.heard.flatMap((parcel) => parcel.fleet === "answer" ? [Reflect.get(parcel, "outcomes")] : [])
      const ask = (topic: string) =>
        cluster.emit("message", asker.worker, { fleet: "ask", number: 0, message: { topic, body: null } })
      const say = ({ heard, worker }: typeof asker, body: number) => {
        const number = heard.findLast((parcel) => parcel.fleet === "run")?.number
        cluster.emit("message", worker, { fleet: "done", number, outcome: { worker: worker.id, body } })
      }
      ask("sum")
      say(asker, 1)
      say(other, 10)
      expect(answers().at(-1)).toEqual([{ worker: 1, body: 1 }, { worker: 2, body: 10 }])
      // One that drains is asked as well, and says its last when it goes.
      serving.delete(other.worker)
      leaving.add(other.worker)
      ask("sum")
      say(asker, 2)
      say(other, 20)
      expect(answers().at(-1)).toEqual([{ worker: 1, body: 2 }, { worker: 2, body: 20 }])
      cluster.emit("message", other.worker, { fleet: "last", topic: "sum", body: 25 })
      cluster.emit("exit", other.worker, 0, null)
      leaving.clear()
      // One that dies after it has answered, and before the others have, is not counted twice.
      serving.add(third.worker)
      ask("sum")
      say(third, 100)
      cluster.emit("exit", third.worker, null, "SIGKILL")
      serving.delete(third.worker)
      say(asker, 3)
      expect(answers().at(-1)).toEqual([{ worker: 1, body: 3 }, { worker: 0, body: 125 }])
      // Of other topics nothing is kept.
      ask("other")
      say(asker, 4)
      expect(answers().at(-1)).toEqual([{ worker: 1, body: 4 }])
    }).pipe(Effect.scoped))

  it.effect("takes for a silent one what it last said of what is kept", () =>
    Effect.gen(function*() {
      const [asker, silent] = [makeWorker(1), makeWorker(2)]
      yield* hub({ serving: () => [asker.worker, silent.worker], starting: () => [] }, { sum: () => 0 })
      const ask = () =>
        cluster.emit("message", asker.worker, { fleet: "ask", number: 0, message: { topic: "sum", body: null } })
      const say = ({ heard, worker }: typeof asker, body: number) =>
        cluster.emit("message", worker, {
          fleet: "done",
          number: heard.findLast((parcel) => parcel.fleet === "run")?.number,
          outcome: { worker: worker.id, body }
        })
      ask()
      say(asker, 1)
      say(silent, 10)
      ask()
      say(asker, 2)
      yield* TestClock.adjust(4000)
      expect(asker.heard.at(-1)).toMatchObject({ outcomes: [{ worker: 1, body: 2 }, { worker: 2, body: 10 }] })
    }).pipe(Effect.scoped))
})
