/** The load generator of the bench, a process of its own: keep-alive connections that send the same bytes again and again. */
import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { cpuSpent, cpuTime } from "./CpuTime.ts"
import { messageReader } from "./Http1.ts"
import { callerKey, framesIn, isPaced, markOf, type Mode, paceMs, requestBody } from "./Payload.ts"
import type { DriverReply, SliceOrder, SliceResult } from "./Slice.ts"

interface Tally {
  units: number
  socketErrors: number
  badAnswers: number
  complaint: string | undefined
  latencies: Array<number>
  running: boolean
  open: number
}

const requestBytes = (mode: Mode): Buffer => {
  const body = requestBody(mode)
  return Buffer.from(
    "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n" +
      `authorization: Bearer ${callerKey}\r\naccept: ${
        mode === "json" ? "application/json" : "text/event-stream"
      }\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  )
}

const ends: ReadonlyArray<string> = ["data: [DONE]\n\n", "ssage_stop\"}\n\n"]

/** Counts the marks, also where one is split over two slices: blank lines that end events, or what counted events have. */
const eventCounter = (mark: string): { count: (slice: Buffer) => number; done: () => boolean; reset: () => void } => {
  let tail = ""
  return {
    count: (slice) => {
      const before = tail.slice(1 - mark.length)
      const seam = before + slice.toString("latin1", 0, mark.length - 1)
      let events = seam.includes(mark) ? 1 : 0
      for (let at = slice.indexOf(mark, 0, "latin1"); at !== -1; at = slice.indexOf(mark, at + mark.length, "latin1")) {
        events++
      }
      tail = (tail + slice.toString("latin1", Math.max(0, slice.length - 14))).slice(-14)
      return events
    },
    done: () => ends.some((end) => tail.endsWith(end)),
    reset: () => {
      tail = ""
    }
  }
}

const complain = (tally: Tally, text: string): void => {
  tally.badAnswers++
  tally.complaint ??= text
}

const isCompletion = (text: string): boolean => {
  try {
    return (JSON.parse(text) as { object?: unknown } | null)?.object === "chat.completion"
  } catch {
    return false
  }
}

/** One connection that asks again as soon as it has its answer, or when its turn comes; it opens itself anew when it breaks. */
const openConnection = (order: SliceOrder, request: Buffer, tally: Tally, sockets: Set<Socket>): void => {
  const gapMs = order.perSecond === undefined ? 0 : 1000 * order.connections / order.perSecond
  const socket = connect({ port: order.port, host: "127.0.0.1", noDelay: true })
  const streams = order.mode !== "json"
  const events = eventCounter(markOf(order.mode))
  let started = 0
  let status = 0
  let frames = 0
  let inspected = false
  let text = ""
  let answered = true
  let broken = false

  const send = (): void => {
    answered = false
    frames = 0
    text = ""
    events.reset()
    started = performance.now()
    socket.write(request)
  }
  const judge = (): void => {
    if (status !== 200) return complain(tally, `status ${status}: ${text.slice(0, 200)}`)
    if (streams && (frames < framesIn(order.mode) || !events.done())) {
      return complain(tally, `a stream of ${frames} frames`)
    }
    if (!streams && !inspected && !isCompletion(text)) complain(tally, `no completion: ${text.slice(0, 200)}`)
    inspected = true
  }
  const read = messageReader({
    head: (head) => {
      status = Number(head.slice(9, 12))
    },
    body: (slice) => {
      if (!streams || status !== 200) {
        if (!inspected || status !== 200) text += slice.toString("latin1")
        return
      }
      if (frames === 0) tally.latencies.push(performance.now() - started)
      const arrived = events.count(slice)
      frames += arrived
      tally.units += arrived
    },
    end: () => {
      answered = true
      judge()
      if (!streams) {
        tally.units++
        tally.latencies.push(performance.now() - started)
      }
      const waitMs = started + gapMs - performance.now()
      if (!tally.running) socket.destroy()
      else if (waitMs <= 0) send()
      else setTimeout(() => tally.running ? send() : socket.destroy(), waitMs)
    }
  })
  tally.open++
  sockets.add(socket)
  socket.on("connect", send)
  socket.on("data", (incoming: Buffer) => {
    try {
      read(incoming)
    } catch (cause) {
      complain(tally, String(cause))
      socket.destroy()
    }
  })
  socket.on("error", (cause) => {
    broken = true
    tally.complaint ??= String(cause)
  })
  socket.on("end", () => {
    broken ||= !answered
    socket.destroy()
  })
  socket.on("close", () => {
    tally.open--
    sockets.delete(socket)
    if (broken) tally.socketErrors++
    if (tally.running) setTimeout(() => tally.running && openConnection(order, request, tally, sockets), 5)
  })
}

const quantile = (sorted: ReadonlyArray<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN

const nowMicros = (): number => Number(process.hrtime.bigint() / 1000n)

/** Everything the window is measured by, read at one of its edges. */
const reading = (order: SliceOrder, tally: Tally) => ({
  units: tally.units,
  candidate: cpuTime(order.pid),
  driver: cpuTime(process.pid),
  upstream: cpuTime(order.upstreamPid),
  at: nowMicros()
})

const measure = async (order: SliceOrder, tally: Tally): Promise<SliceResult> => {
  await sleep(order.warmupMs)
  tally.latencies = []
  const before = reading(order, tally)
  await sleep(order.sliceMs)
  const after = reading(order, tally)
  const wallNanos = (after.at - before.at) * 1000
  const sorted = Float64Array.from(tally.latencies).sort()
  return {
    units: after.units - before.units,
    cpuNanos: cpuSpent(before.candidate, after.candidate),
    wallNanos,
    fromMicros: before.at,
    toMicros: after.at,
    driverBusy: cpuSpent(before.driver, after.driver) / wallNanos,
    upstreamBusy: cpuSpent(before.upstream, after.upstream) / wallNanos,
    latencies: { p50: quantile([...sorted], 0.5), p99: quantile([...sorted], 0.99) },
    socketErrors: 0,
    badAnswers: 0,
    complaint: undefined
  }
}

const runSlice = async (order: SliceOrder): Promise<SliceResult> => {
  const tally: Tally = {
    units: 0,
    socketErrors: 0,
    badAnswers: 0,
    complaint: undefined,
    latencies: [],
    running: true,
    open: 0
  }
  const sockets = new Set<Socket>()
  const request = requestBytes(order.mode)
  // Streams start spread over the length of one, so that their frames do not fall together; requests over their distance.
  const spread = isPaced(order.mode)
    ? framesIn(order.mode) * paceMs / order.connections
    : order.perSecond === undefined
    ? 0
    : 1000 / order.perSecond
  for (let n = 0; n < order.connections; n++) {
    if (spread === 0) openConnection(order, request, tally, sockets)
    else setTimeout(() => openConnection(order, request, tally, sockets), n * spread)
  }
  try {
    const result = await measure(order, tally)
    tally.running = false
    for (let waited = 0; tally.open > 0 && waited < 3000; waited += 10) await sleep(10)
    return { ...result, socketErrors: tally.socketErrors, badAnswers: tally.badAnswers, complaint: tally.complaint }
  } finally {
    tally.running = false
    for (const socket of sockets) socket.destroy()
  }
}

/** Whoever was measured, so that no candidate outlives a bench that was killed outright. */
const measured = new Set<number>()

process.on("message", (order: SliceOrder) => {
  measured.add(order.pid)
  runSlice(order).then(
    (result): DriverReply => ({ result }),
    (cause: unknown): DriverReply => ({ failure: String(cause) })
  ).then((reply) => process.send?.(reply))
})
process.on("disconnect", () => {
  for (const pid of measured) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // already gone, as it should be
    }
  }
  process.exit()
})
process.send?.("ready")
