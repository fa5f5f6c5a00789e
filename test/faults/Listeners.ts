/** Addresses that fail below HTTP: nobody listens (fault 1), or connections are never established (fault 2). */
import { connect, createServer } from "node:net"
import type { AddressInfo, Socket } from "node:net"
import { Worker } from "node:worker_threads"

/** A base URL on which every connection is refused: the port was free a moment ago. */
export const refused = (): Promise<string> =>
  new Promise((resolve) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      // A server that listens on a TCP port has such an address.
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(`http://127.0.0.1:${port}/v1`))
    })
  })

/** A listener whose thread sleeps, so that nobody takes connections from its short backlog. */
const sleeper = `
const { createServer } = require("node:net")
const { parentPort } = require("node:worker_threads")
const server = createServer()
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
  parentPort.postMessage(server.address().port)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})`

/**
 * A base URL where connecting hangs: the backlog is full, so the kernel drops each further SYN. Linux only; other kernels
 * refuse instead.
 */
export const blackhole = async (): Promise<{ readonly url: string; readonly close: () => Promise<void> }> => {
  const worker = new Worker(sleeper, { eval: true })
  const port = await new Promise<number>((resolve) => worker.once("message", resolve))
  const fillers: ReadonlyArray<Socket> = await Promise.all([1, 2].map(() =>
    new Promise<Socket>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(socket))
      socket.on("error", () => undefined)
    })
  ))
  return {
    url: `http://127.0.0.1:${port}/v1`,
    close: async () => {
      fillers.forEach((socket) => socket.destroy())
      await worker.terminate()
    }
  }
}
