/** Loaded into a gateway (`--expose-gc --import`): tells whoever asks what is alive in it, after a full collection. */
import * as Effect from "effect/Effect"
import { setTimeout as sleep } from "node:timers/promises"
import { queryObjects } from "node:v8"

/** What a process holds. */
export interface Left {
  readonly fibers: number
  /** TCP connections, its callers' and its own. */
  readonly sockets: number
  /** Heap, external and array buffers, in bytes. */
  readonly heapBytes: number
}

const fiber = Effect.runFork(Effect.void).constructor

const count = async (): Promise<Left> => {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc?.()
    await sleep(20)
  }
  const { arrayBuffers, external, heapUsed } = process.memoryUsage()
  return {
    fibers: queryObjects(fiber, { format: "count" }),
    sockets: process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length,
    // `external` holds the array buffers too.
    heapBytes: heapUsed + Math.max(external, arrayBuffers)
  }
}

process.on("message", (word) => {
  if (word === "left") void count().then((left) => process.send?.(left))
})
