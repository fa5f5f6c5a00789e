/** The half of the build that tsc leaves: whatever in src is not TypeScript (pages, SQL) goes to dist beside its module, and the command can be run. */
import { chmodSync, cpSync, globSync, statSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

for (const path of globSync("**/*", { cwd: join(root, "src") })) {
  const from = join(root, "src", path)
  if (statSync(from).isFile() && !path.endsWith(".ts")) cpSync(from, join(root, "dist", path))
}

// npm does so when it installs a package, not when its clone is built again.
chmodSync(join(root, "dist", "main.js"), 0o755)
