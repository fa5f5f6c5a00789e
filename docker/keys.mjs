// Writes a random client key and admin key into the folder it is given, unless they are there, and says once what they are.
import { randomBytes } from "node:crypto"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const folder = process.argv[2]
if (folder === undefined) throw new Error("usage: node keys.mjs FOLDER")

for (const name of ["client", "admin"]) {
  const file = join(folder, name)
  if (existsSync(file)) continue
  const key = randomBytes(32).toString("hex")
  writeFileSync(file, key, { flag: "wx", mode: 0o600 })
  console.log(`Generated the ${name} key, shown only now and kept in ${file}: ${key}`)
}
