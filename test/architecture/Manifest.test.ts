import { describe, expect, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname, "../..")
const read = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8"))

const manifest = read("package.json")
const lock = read("package-lock.json")
const direct = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })

interface Locked {
  readonly resolved?: string
  readonly integrity?: string
  readonly hasInstallScript?: boolean
  readonly link?: boolean
}
const locked: ReadonlyArray<readonly [string, Locked]> = Object.entries<Locked>(lock.packages).filter(([path]) =>
  path !== ""
)

/** Names in the first column of a table whose second says why. */
const reasoned = new Set(
  globSync("docs/decisions/*.md", { cwd: root })
    .flatMap((path) => Array.from(readFileSync(join(root, path), "utf8").matchAll(/^\|([^|]+)\| *[^ |-][^|]{10,}\|/gm)))
    .flatMap(([, names]) => Array.from((names ?? "").matchAll(/`([^`]+)`/g), ([, name]) => name ?? ""))
)

describe("the manifest", () => {
  it("names every package by its exact version, and the lockfile has it", () => {
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(wanted.length).toBeGreaterThan(20)
    for (const [name, version] of wanted) {
      expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+$/)])
      expect([name, lock.packages[`node_modules/${name}`]?.version]).toEqual([name, version])
    }
    expect(lock.packages[""]).toMatchObject({
      dependencies: manifest.dependencies,
      devDependencies: manifest.devDependencies
    })
  })

  it("has a reason in a decision for every package that it names", () => {
    expect(direct.filter((name) => !reasoned.has(name))).toEqual([])
  })

  it("lets no package run a script at its installation but the two that it names", () => {
    const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript === true)
    expect(scripted.map(([path]) => path.replace("node_modules/", "")).sort())
      .toEqual(Object.keys(manifest.allowScripts).sort())
  })
})

describe("the lockfile", () => {
  it("has the hash of every package, and none that is from elsewhere than the registry", () => {
    expect(locked.length).toBeGreaterThan(direct.length)
    const isFromRegistry = ({ link, resolved }: Locked) =>
      link !== true && (resolved === undefined || resolved.startsWith("https://registry.npmjs.org/"))
    const bad = locked.filter(([, entry]) =>
      !/^sha512-[\w+/]{86}==$/.test(entry.integrity ?? "") || !isFromRegistry(entry)
    )
    expect(bad).toEqual([])
  })

  it("gives a bill of materials: npm run sbom lists every package with its hash, and marks what is for development", {
    timeout: 60_000
  }, () => {
    expect(spawnSync("npm", ["run", "-s", "sbom"], { cwd: root }).status).toBe(0)
    const { bomFormat, components } = read(".tmp/sbom.cdx.json")
    expect(bomFormat).toBe("CycloneDX")
    const parts: ReadonlyArray<{ name: string; scope: string; hashes?: ReadonlyArray<unknown> }> = components
    const scopeOf = new Map(parts.map(({ name, scope }) => [name, scope]))
    expect(Object.keys(manifest.dependencies).filter((name) => scopeOf.get(name) !== "required")).toEqual([])
    expect(direct.filter((name) => !scopeOf.has(name))).toEqual([])
    expect(scopeOf.get("vitest")).toBe("optional")
    expect(parts.filter(({ hashes }) => hashes === undefined)).toEqual([])
  })
})
