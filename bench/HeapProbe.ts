/** Loaded into a measured process (`--expose-gc --import`): tells its memory after a full collection to whoever asks. */
import { setTimeout as sleep } from "node:timers/promises"

const measure = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc?.()
    await sleep(50)
  }
  const { arrayBuffers, external, heapUsed } = process.memoryUsage()
  // `external` holds the array buffers too.
  process.send?.({ heapBytes: heapUsed + Math.max(external, arrayBuffers) })
}

process.on("message", (word) => {
  if (word === "measure") void measure()
})
