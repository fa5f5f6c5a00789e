/**
 * Ten thousand callers who leave in each phase of a request, and what the gateway still holds of them: no socket, no permit, no
 * fiber. `--callers N` (default 10,000), `--print` writes no file. Ends with 1 if something is left.
 */
import { parseArgs } from "node:util"
import { table } from "../tools/markdown-table.ts"
import { begin, isCalm, phases, warmUp } from "./Leavers.ts"
import { machineLine, writePage } from "./Page.ts"

const { values: flags } = parseArgs({
  options: { callers: { type: "string", default: "10000" }, print: { type: "boolean", default: false } }
})
const callers = Number(flags.callers)

const sea = await begin()
const rows: Array<ReadonlyArray<string>> = []
let missed = 0
try {
  const most = await warmUp(sea, 200)
  let before = most
  for (const [at, phase] of phases.entries()) {
    const beganAt = performance.now()
    await sea.leave(phase, callers, 100 + at)
    const seconds = (performance.now() - beganAt) / 1000
    const was = before
    before = await sea.after((seen) => isCalm(seen, most))
    if (!isCalm(before, most)) missed += 1
    rows.push([
      phase,
      String(callers),
      seconds.toFixed(1),
      `${was.fibers} → ${before.fibers}`,
      `${was.sockets} → ${before.sockets}`,
      String(before.upstreamSockets),
      String(before.permits),
      `${((before.heapBytes - was.heapBytes) / callers).toFixed(0)}`,
      isCalm(before, most) ? "held" : "**NOT HELD**"
    ])
  }
} finally {
  await sea.stop()
}
const date = new Date().toISOString().slice(0, 10)
writePage(`disconnects-${date}.md`, flags.print, [
  `# Callers who leave, ${date}`,
  "",
  "`node bench/disconnects.ts`: they come in crowds of 40 to a gateway that is a process of its own, and leave at a random moment",
  "of the 5 ms after the phase was reached. Before and after each phase, after a full collection: fibers that are alive, TCP",
  "connections of the gateway, connections at the upstream, permits (places at the door and on targets, and who waits for one).",
  "Held = no more than after 200 callers: the one timer of all limits may be asleep or not, which is a fiber more or less.",
  "",
  machineLine(),
  "",
  table([
    "Phase",
    "Callers",
    "Seconds",
    "Fibers",
    "Sockets",
    "At the upstream",
    "Permits",
    "Heap bytes each",
    ""
  ], rows),
  "",
  missed === 0 ? "Nothing is left in any phase." : `**Something is left in ${missed} of ${phases.length} phases.**`,
  ""
])
process.exitCode = missed === 0 ? 0 : 1
