/**
 * CPU time of another process. Linux counts it per thread in nanoseconds (`schedstat`); `stat` knows only ticks of 10 ms and
 * is the second choice. Processes that the process itself starts are not counted.
 */
import { readdirSync, readFileSync } from "node:fs"

/** Nanoseconds on a core so far, by thread. */
export type CpuTime = ReadonlyMap<string, number>

const threadNanos = (folder: string): number => {
  try {
    return Number(readFileSync(`${folder}/schedstat`, "latin1").split(" ")[0])
  } catch {
    const afterName = readFileSync(`${folder}/stat`, "latin1").split(") ")[1]?.split(" ") ?? []
    return (Number(afterName[11]) + Number(afterName[12])) * 10_000_000
  }
}

/** Throws where there is no `/proc` and when the process is gone. */
export const cpuTime = (pid: number): CpuTime => {
  const tasks = `/proc/${pid}/task`
  const threads = new Map<string, number>()
  for (const thread of readdirSync(tasks)) {
    try {
      threads.set(thread, threadNanos(`${tasks}/${thread}`))
    } catch {
      // the thread ended between the listing and the reading
    }
  }
  return threads
}

/** Nanoseconds spent between two readings; a thread that ended in between counts for nothing. */
export const cpuSpent = (before: CpuTime, after: CpuTime): number => {
  let spent = 0
  for (const [thread, nanos] of after) spent += nanos - (before.get(thread) ?? 0)
  return spent
}
