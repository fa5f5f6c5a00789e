/** Builds a copy of the package in a temporary folder and looks at it as npm would publish it. */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"

const root = join(import.meta.dirname, "..")
const copied = ["package.json", "README.md", "LICENSE", "tsconfig.json", "tsconfig.build.json", "tools", "src"]
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "breakwater-package-")))

try {
  for (const name of copied.filter((name) => existsSync(join(root, name)))) {
    cpSync(join(root, name), join(scratch, name), { recursive: true })
  }
  symlinkSync(realpathSync(join(root, "node_modules")), join(scratch, "node_modules"))
  execFileSync("npm", ["run", "-s", "build"], { cwd: scratch, stdio: "inherit" })

  const manifest = JSON.parse(readFileSync(join(scratch, "package.json"), "utf8"))
  const { messages } = await publint({ pkgDir: scratch, pack: "npm", strict: true })
  for (const message of messages) console.error(formatMessage(message, manifest))

  for (const face of [".", "./testing"]) await import(join(scratch, manifest.exports[face].default))
  if (messages.length > 0) throw new Error(`publint: ${messages.length} finding(s)`)
  console.log("The package builds, imports and satisfies publint.")
} finally {
  rmSync(scratch, { recursive: true })
}
