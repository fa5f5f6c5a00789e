/** A thread that asks routes while others load the gateway: on the loop of those it would measure how long it waits for its own turn. */
import { Agent, get } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { parentPort, Worker, workerData } from "node:worker_threads"

interface Task {
  readonly origin: string
  readonly routes: ReadonlyArray<string>
  readonly ms: number
}

const agent = new Agent({ keepAlive: true })

/** Milliseconds until the last byte. */
const timed = (url: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const at = performance.now()
    get(url, { agent }, (answer) => answer.on("end", () => resolve(performance.now() - at)).resume())
      .on("error", reject)
  })

const askOne = async ({ ms, origin }: Task, route: string): Promise<readonly [string, ReadonlyArray<number>]> => {
  const endAt = performance.now() + ms
  const seen: Array<number> = []
  while (performance.now() < endAt) {
    seen.push(await timed(`${origin}${route}`))
    await sleep(20)
  }
  return [route, seen]
}

/** Asks each route again and again, up to 50 times a second, for so long; the milliseconds that each answer took. */
export const probe = (task: Task): Promise<ReadonlyMap<string, ReadonlyArray<number>>> =>
  new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url), { workerData: task }).once("message", resolve).once("error", reject)
  })

if (parentPort !== null) {
  const task: Task = workerData
  parentPort.postMessage(new Map(await Promise.all(task.routes.map((route) => askOne(task, route)))))
}
