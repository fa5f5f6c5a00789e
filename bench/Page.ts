/** What the benches in one process say: a page in `results/` with the machine named. */
import { execFileSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { join } from "node:path"

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

const commit = (): string => {
  try {
    const options = { cwd: import.meta.dirname, encoding: "utf8", stdio: "pipe" } as const
    return execFileSync("git", ["describe", "--always", "--dirty"], options).trim()
  } catch {
    return "unknown"
  }
}

export const machineLine = (): string =>
  `${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} cores under a load of ${loadavg()[0]?.toFixed(1)}, ` +
  `node ${process.version}, commit ${commit()}.`

/** Keeps a page in `folder`, in the repository's format, and answers its path. */
export const keepPage = (name: string, text: string, folder = join(import.meta.dirname, "results")): string => {
  const path = join(folder, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(path, text)
  const root = join(import.meta.dirname, "..")
  try {
    execFileSync(join(root, "node_modules/.bin/dprint"), ["fmt", path], { cwd: root, stdio: "ignore" })
  } catch {
    process.stderr.write(`${path} is not formatted: run \`npm run format\` before it is committed.\n`)
  }
  return path
}

/** Prints the page, and keeps it unless it was only to be printed. */
export const writePage = (name: string, isPrintedOnly: boolean, lines: ReadonlyArray<string>): void => {
  const page = lines.join("\n")
  process.stdout.write(page)
  if (!isPrintedOnly) keepPage(name, page)
}
