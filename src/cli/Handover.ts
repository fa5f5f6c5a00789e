/**
 * Connections that the primary has sent to a worker which died before it took them. Trap: Node's round robin forgets them but
 * keeps its own end open, so that their callers would wait for ever; here they go to another worker.
 */
import cluster, { type Worker } from "node:cluster"

/** Of the messages between a primary and its workers, which Node does not describe, what is used here. */
interface Parcel {
  readonly act?: unknown
  readonly seq?: unknown
  readonly ack?: unknown
}

interface Closable {
  readonly close: () => void
}

const isParcel = (value: unknown): value is Parcel => typeof value === "object" && value !== null

const isClosable = (value: unknown): value is Closable =>
  typeof value === "object" && value !== null && "close" in value && typeof value.close === "function"

/** Workers whose listening Node's round robin knows of. */
const listening = new WeakSet<Worker>()

const isSuccessor = (worker: Worker | undefined): boolean =>
  worker !== undefined && worker.isConnected() && !worker.isDead() && listening.has(worker)

/**
 * Watches what is handed to a new worker until its end. Node answers a connection that a worker does not take by asking the
 * next one; a worker that is gone is made to give that answer for each connection that it still owes one.
 */
export const guard = (worker: Worker): void => {
  const child = worker.process
  const owed = new Map<number, unknown>()
  const send = child.send
  Reflect.set(child, "send", (...args: ReadonlyArray<unknown>) => {
    const [message, handle] = args
    if (isParcel(message) && message.act === "newconn" && typeof message.seq === "number") owed.set(message.seq, handle)
    return Reflect.apply(send, child, args)
  })
  child.on("internalMessage", (message: unknown) => {
    if (!isParcel(message)) return
    if (message.act === "listening") listening.add(worker)
    if (typeof message.ack === "number") owed.delete(message.ack)
  })
  // A worker that is dying no longer reads; what could not be sent to it is owed, or is asked again elsewhere.
  worker.on("error", () => {})
  // Not "disconnect", which never comes while a connection is under way; and not "exit", after which the last words may come.
  child.once("close", () => {
    // Node does this itself only if it heard of the disconnect.
    if (cluster.workers?.[worker.id] !== undefined) worker.disconnect()
    const hasSuccessor = Object.values(cluster.workers ?? {}).some(isSuccessor)
    for (const [seq, handle] of owed) {
      if (hasSuccessor) child.emit("internalMessage", { cmd: "NODE_CLUSTER", ack: seq, accepted: false })
      else if (isClosable(handle)) handle.close()
    }
    owed.clear()
  })
}
