/** Requests that come when they come, whether or not the earlier ones have been answered; timed from the moment each was due. */
import { Agent, request } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { makeRandom } from "../test/providers/Seeded.ts"
import { requestBody } from "./Payload.ts"

export interface Seen {
  readonly status: number
  readonly priority: string
  /** From the moment it was due to the last byte, in milliseconds. */
  readonly ms: number
  /** When it was due, in milliseconds since the phase began. */
  readonly dueMs: number
}

const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 2000 })
const body = Buffer.from(requestBody("json"))

/** One request; a status of 0 stands for a connection that broke. */
const ask = (port: number, priority: string, dueAt: number, beganAt: number): Promise<Seen> =>
  new Promise((resolve) => {
    const done = (status: number) =>
      resolve({ status, priority, ms: performance.now() - dueAt, dueMs: dueAt - beganAt })
    const sent = request({
      agent,
      host: "127.0.0.1",
      port,
      method: "POST",
      path: "/v1/chat/completions",
      headers: {
        "content-type": "application/json",
        "content-length": body.length,
        "x-breakwater-priority": priority
      }
    }, (answer) => {
      answer.on("end", () => done(answer.statusCode ?? 0)).on("error", () => done(0)).resume()
    })
    sent.on("error", () => done(0))
    sent.end(body)
  })

/** Poisson arrivals at `perSecond` for `durationMs`; ends when the last has been answered. */
export const openLoop = async (
  port: number,
  perSecond: number,
  durationMs: number,
  priorities: ReadonlyArray<string> = ["normal"]
): Promise<ReadonlyArray<Seen>> => {
  const random = makeRandom(1)
  const beganAt = performance.now()
  const asked: Array<Promise<Seen>> = []
  let dueAt = beganAt
  while (dueAt - beganAt < durationMs) {
    while (dueAt <= performance.now()) {
      asked.push(ask(port, priorities[asked.length % priorities.length] ?? "normal", dueAt, beganAt))
      dueAt += -Math.log(1 - random()) * 1000 / perSecond
    }
    await sleep(1)
  }
  return Promise.all(asked)
}

/** So many callers who each ask again once answered. */
export const closedLoop = async (port: number, callers: number, durationMs: number): Promise<ReadonlyArray<Seen>> => {
  const beganAt = performance.now()
  const seen: Array<Seen> = []
  const caller = async (): Promise<void> => {
    for (let now = beganAt; now - beganAt < durationMs; now = performance.now()) {
      seen.push(await ask(port, "normal", now, beganAt))
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return seen
}
