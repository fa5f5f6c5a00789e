/** Reads floors.json and says which import it refuses and why; shared by the lint plugin and the architecture test. */
import { readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path/posix"

interface Room {
  readonly floor: number
  readonly folder: string
  readonly packages: ReadonlyArray<string>
  readonly only?: Readonly<Record<string, ReadonlyArray<string>>>
}

interface RootFile {
  readonly rooms: ReadonlyArray<string> | "every"
  readonly packages: ReadonlyArray<string> | "every"
}

interface Floors {
  readonly open: ReadonlyArray<string>
  readonly neverWhole: ReadonlyArray<string>
  readonly rooms: Readonly<Record<string, Room>>
  readonly rootFiles: Readonly<Record<string, RootFile>>
  /** Ambient name → what to use instead of it. */
  readonly never: Readonly<Record<string, string>>
  readonly names: { readonly forbidden: ReadonlyArray<string> }
  readonly sizes: { readonly codeLinesPerFile: number; readonly linesPerFunction: number }
}

export const floors: Floors = JSON.parse(readFileSync(new URL("../floors.json", import.meta.url), "utf8"))

/** The room a file stands in, by its path from the repository's root; undefined for root files and unknown folders. */
export const roomOf = (file: string): string | undefined =>
  Object.keys(floors.rooms).find((name) => file.startsWith(`${floors.rooms[name]?.folder}/`))

const covers = (entry: string, specifier: string): boolean => specifier === entry || specifier.startsWith(`${entry}/`)

/** `effect` and `effect/Schema` are core and open to all; `effect/http` and the other lower-case groups need a row. */
const isOpen = (specifier: string): boolean =>
  floors.open.some((entry) => covers(entry, specifier) && !/^[a-z]/.test(specifier.slice(entry.length + 1)))

const packageRefusal = (file: string, specifier: string): string | undefined => {
  if (floors.neverWhole.includes(specifier)) return `import a module of "${specifier}", never the whole package`
  const root = floors.rootFiles[file]
  const room = floors.rooms[roomOf(file) ?? ""]
  const listed = root?.packages ?? room?.packages ?? []
  if (listed === "every" || isOpen(specifier) || listed.some((entry) => covers(entry, specifier))) return undefined
  const only = Object.entries(room?.only ?? {}).find(([entry]) => covers(entry, specifier))
  if (room !== undefined && only !== undefined) {
    const inRoom = relative(room.folder, file)
    return only[1].includes(inRoom) ? undefined : `"${specifier}" is for ${only[1].join(", ")} alone`
  }
  return `"${specifier}" is not on the package list of ${roomOf(file) ?? file}`
}

const floorRefusal = (file: string, target: string): string | undefined => {
  const to = roomOf(target)
  if (to === undefined) return `"${target}" belongs to no room`
  const root = floors.rootFiles[file]
  if (root !== undefined) {
    return root.rooms === "every" || root.rooms.includes(to)
      ? undefined
      : `${file} imports ${root.rooms.join(", ")} only`
  }
  const from = roomOf(file)
  if (from === to) return undefined
  const fromFloor = floors.rooms[from ?? ""]?.floor ?? -1
  const toFloor = floors.rooms[to]?.floor ?? Infinity
  return toFloor < fromFloor ? undefined : `${from} (floor ${fromFloor}) does not know ${to} (floor ${toFloor})`
}

/**
 * Why `file` (path from the repository's root, with `/`) may not import `specifier`; undefined when it may.
 * Type imports, re-exports and dynamic imports are judged alike.
 */
export const importRefusal = (file: string, specifier: string): string | undefined => {
  if (floors.rootFiles[file] === undefined && roomOf(file) === undefined) {
    return `${file} stands in no room of floors.json`
  }
  if (!specifier.startsWith(".")) return packageRefusal(file, specifier)
  if (/\.[cm]?jsx?$/.test(specifier)) return `"${specifier}" must end in .ts: Node runs the source as it is`
  return floorRefusal(file, normalize(join(dirname(file), specifier)))
}
