import { describe, expect, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { floors } from "../../tools/floors.ts"

const page = readFileSync(new URL("../../docs/ARCHITECTURE.md", import.meta.url), "utf8")

/** Room → floor, as the page's table says. */
const shown = Array.from(page.matchAll(/^\| (\d) +\| `(\w+)` +\| (.*?) +\|$/gm), ([, floor, room, what]) => ({
  room: room ?? "",
  floor: Number(floor),
  what: what ?? ""
}))

describe("docs/ARCHITECTURE.md", () => {
  it("names every room of floors.json on its floor, lowest first", () => {
    const rooms = Object.entries(floors.rooms).map(([room, { floor }]) => ({ room, floor }))
    expect(shown.map(({ floor, room }) => ({ room, floor }))).toEqual(rooms.toSorted((a, b) => a.floor - b.floor))
  })

  it("says not built yet of the rooms that are not there, and of no other", () => {
    const unbuilt = shown.filter(({ what }) => what.includes("(not built yet)")).map(({ room }) => room)
    const absent = Object.entries(floors.rooms).filter(([, { folder }]) => !existsSync(folder)).map(([room]) => room)
    expect(unbuilt.toSorted()).toEqual(absent.toSorted())
  })
})
