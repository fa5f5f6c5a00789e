/** What no schema sees in the `server` section: an open door on a public address, and keys that nobody could show or that meet. */
import { keyLimit } from "../admission/Keys.ts"
import { listAt, type Problem, problem, valueAt } from "./Problem.ts"

/** What HTTP does not carry in a header's value. */
export const flawOfHeaderValue = (value: string): string | undefined =>
  /[\r\n]$/.test(value)
    ? "ends with a line break, as a key read from a file does; remove it"
    : /[\r\n]/.test(value)
    ? "contains a line break, which no HTTP header can carry"
    : /[^\t\x20-\x7e\x80-\xff]/.test(value)
    ? "contains a control character or one outside Latin-1, which no HTTP header can carry"
    : undefined

/** Why nobody could show this key: what surrounds a header's value is not part of it. */
const flawOfKey = (text: string): string | undefined =>
  flawOfHeaderValue(text) ??
    (/^[\t ]|[\t ]$/.test(text) ? "begins or ends with a blank, which no HTTP header carries; remove it" : undefined)

/** True for a host that only this machine can reach. */
const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host)

export const checkServer = (document: unknown): ReadonlyArray<Problem> => {
  const found: Array<Problem> = []
  const host = valueAt(document, ["server", "host"])
  const keys = listAt(document, ["server", "keys"])
  if (typeof host === "string" && !isLoopback(host) && keys.length === 0) {
    found.push(problem(
      ["server", "host"],
      host,
      "without server.keys anybody could call, so only loopback may be bound; add a key (or set BREAKWATER_KEY) or use 127.0.0.1"
    ))
  }
  const names = new Set<unknown>()
  const texts = new Set<unknown>()
  keys.forEach((entry, index) => {
    const text = typeof entry === "string" ? entry : valueAt(entry, ["key"])
    const name = valueAt(entry, ["name"]) ?? `key-${index + 1}`
    if (typeof text === "string" && new TextEncoder().encode(text).length > keyLimit) {
      found.push(problem(["server", "keys", index], text, `a key has at most ${keyLimit} bytes`))
    }
    if (text !== undefined && texts.has(text)) {
      found.push(problem(["server", "keys", index], text, "the same key stands in the list twice"))
    }
    if (names.has(name)) {
      found.push({
        path: `server.keys[${index}].name`,
        value: String(name),
        message: "another key has this name already"
      })
    }
    const flaw = typeof text === "string" ? flawOfKey(text) : undefined
    if (flaw !== undefined) found.push(problem(["server", "keys", index], text, flaw))
    texts.add(text)
    names.add(name)
  })
  const adminKey = valueAt(document, ["server", "adminKey"])
  const flaw = typeof adminKey === "string" ? flawOfKey(adminKey) : undefined
  if (flaw !== undefined) found.push(problem(["server", "adminKey"], adminKey, flaw))
  if (adminKey !== undefined && texts.has(adminKey)) {
    found.push(
      problem(
        ["server", "adminKey"],
        adminKey,
        "is a client key, too: whoever may call could control; give it one of its own"
      )
    )
  }
  return found
}
