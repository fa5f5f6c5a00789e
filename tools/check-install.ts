/** Installs for production as the Dockerfile does, in a temporary folder, and imports every module of src there: it asks the registry. */
import { execFileSync } from "node:child_process"
import { cpSync, globSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "breakwater-install-")))

try {
  for (const name of ["package.json", "package-lock.json", ".npmrc", "src"]) {
    cpSync(join(root, name), join(scratch, name), { recursive: true })
  }
  execFileSync("npm", ["install", "--omit=dev", "--ignore-scripts"], { cwd: scratch, stdio: "inherit" })

  // main.ts would start the server.
  const modules = globSync("src/**/*.ts", { cwd: scratch }).filter((path) => path !== join("src", "main.ts"))
  if (modules.length === 0) throw new Error("no module in src")
  const entry = join(scratch, "every.ts")
  writeFileSync(entry, modules.map((path) => `await import(${JSON.stringify(`./${path}`)})\n`).join(""))
  execFileSync(process.execPath, [entry], { cwd: scratch, stdio: "inherit" })
  console.log(`${modules.length} modules import with the production dependencies alone.`)
} finally {
  rmSync(scratch, { recursive: true })
}
