/** Reads a V8 CPU profile and says where the time went: by owner (node core, package, our file, GC) and by function, alone and with what it calls. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { table } from "./Report.ts"

interface CpuProfile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: ReadonlyArray<number>
  }>
  /** µs on the monotonic clock. */
  readonly startTime: number
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

const root = fileURLToPath(new URL("../", import.meta.url))

const packageOwner = (path: string): string => {
  const inside = path.slice(path.lastIndexOf("/node_modules/") + "/node_modules/".length).split("/")
  const name = inside[0]?.startsWith("@") === true ? `${inside[0]}/${inside[1]}` : inside[0] ?? "?"
  if (name !== "effect") return name
  const rest = inside.slice(inside[1] === "dist" || inside[1] === "src" ? 2 : 1)
  return `effect ${rest.length > 1 ? rest[0] : "core"}`
}

/** Who owns a frame. Natives such as `writev` and `JSON.parse` have no file and stand by themselves. */
const ownerOf = (functionName: string, url: string): string => {
  if (functionName === "(garbage collector)") return "GC"
  if (functionName === "(program)") return "native, outside of JavaScript"
  if (url === "") return "native builtins"
  if (url.startsWith("node:internal/deps/undici")) return "node's own fetch"
  if (url.startsWith("node:")) return "node core"
  const path = url.startsWith("file:") ? fileURLToPath(url) : url
  if (path.includes("/node_modules/")) return packageOwner(path)
  return path.startsWith(root) ? path.slice(root.length) : path
}

/** `effect core` and `effect http` belong to effect, `src/gateway/Completion.ts` to src. */
const groupOf = (owner: string): string =>
  owner.startsWith("effect ") ? "effect" : owner.startsWith("src/") ? "src" : owner

const ranked = (
  shares: ReadonlyMap<string, number>,
  total: number,
  most: number
): ReadonlyArray<ReadonlyArray<string>> =>
  [...shares].toSorted((a, b) => b[1] - a[1]).slice(0, most).map((
    [name, time]
  ) => [name, `${(100 * time / total).toFixed(1)} %`])

const nameOf = ({ functionName, lineNumber, url }: CpuProfile["nodes"][number]["callFrame"]): string => {
  const owner = ownerOf(functionName, url)
  const line = url === "" || url.includes("/undici/") ? "" : `:${lineNumber + 1}`
  return `${functionName === "" ? "(anonymous)" : functionName}  ${owner}${line}`
}

/** The profile in `file` between two moments (µs, monotonic) as text; start-up and idle time are left out. */
export const readProfile = (file: string, fromMicros: number, toMicros: number): string => {
  const profile = JSON.parse(readFileSync(file, "utf8")) as CpuProfile
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]))
  const groups = new Map<string, number>()
  const owners = new Map<string, number>()
  const functions = new Map<string, number>()
  const whole = new Map<string, number>()
  const parents = new Map(
    profile.nodes.flatMap(({ children = [], id }) => children.map((child) => [child, id] as const))
  )
  /** Names of the frame and of all that called it, each once. */
  const callers = (id: number | undefined): Set<string> => {
    const names = new Set<string>()
    for (let at = id; at !== undefined; at = parents.get(at)) {
      const frame = frames.get(at)
      if (frame !== undefined && frame.url !== "") names.add(nameOf(frame))
    }
    return names
  }
  let total = 0
  let at = profile.startTime
  profile.samples.forEach((id, n) => {
    const time = profile.timeDeltas[n + 1] ?? 0
    at += profile.timeDeltas[n] ?? 0
    const frame = frames.get(id)
    if (frame === undefined || at < fromMicros || at > toMicros || time < 0 || frame.functionName === "(idle)") return
    const owner = ownerOf(frame.functionName, frame.url)
    const name = nameOf(frame)
    total += time
    for (const caller of callers(id)) whole.set(caller, (whole.get(caller) ?? 0) + time)
    const group = groupOf(owner)
    groups.set(group, (groups.get(group) ?? 0) + time)
    owners.set(owner, (owners.get(owner) ?? 0) + time)
    functions.set(name, (functions.get(name) ?? 0) + time)
  })
  const details = new Map([...owners].filter(([owner]) => groupOf(owner) !== owner))
  return [
    `${(total / 1e6).toFixed(2)} s of CPU in the profile, start-up and idle time left out; self time.`,
    table([["owner", "share"], ...ranked(groups, total, 20)]),
    ...(details.size === 0 ? [] : [table([["inside effect and src", "share"], ...ranked(details, total, 40)])]),
    table([["function", "share"], ...ranked(functions, total, 40)]),
    table([["function and what it calls", "share"], ...ranked(whole, total, 80)])
  ].join("\n\n")
}
