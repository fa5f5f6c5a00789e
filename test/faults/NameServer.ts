/**
 * Loaded into a gateway (`--import`) or a test: a name server that fails in passing, or lies. `*.blip.test` is 127.0.0.1 from the
 * second question on, `*.lost.test` is never known in time. Where 127.0.0.2 stands for a public address and 127.0.0.3 for a
 * private one: `*.public.example`, `*.private.example`, `*.mixed.example` for both, and `*.moving.example` is public when it is
 * asked for the first time only. Every other name is looked up as ever.
 */
import dns from "node:dns"

const real = dns.lookup
const asked = new Set<string>()

type Answer = (error: NodeJS.ErrnoException | null, address: unknown, family?: number) => void

const again = (name: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`getaddrinfo EAI_AGAIN ${name}`), { code: "EAI_AGAIN", syscall: "getaddrinfo" })

const publicAddress = "127.0.0.2"
const privateAddress = "127.0.0.3"

/** What a name of the pretended networks has now. */
const pretended = (name: string, isFirst: boolean): ReadonlyArray<string> | undefined =>
  name.endsWith(".public.example")
    ? [publicAddress]
    : name.endsWith(".private.example")
    ? [privateAddress]
    : name.endsWith(".mixed.example")
    ? [publicAddress, privateAddress]
    : name.endsWith(".moving.example")
    ? [isFirst ? publicAddress : privateAddress]
    : undefined

const lookup = (name: string, options: dns.LookupAllOptions, answer: Answer): void => {
  const isFirst = !asked.has(name)
  asked.add(name)
  const found = pretended(name, isFirst)
  if (found !== undefined) {
    const all = found.map((address) => ({ address, family: 4 }))
    process.nextTick(answer, null, options.all ? all : found[0], 4)
  } else if (name.endsWith(".lost.test") || (name.endsWith(".blip.test") && isFirst)) {
    process.nextTick(answer, again(name), "")
  } else if (name.endsWith(".blip.test")) {
    const found = { address: "127.0.0.1", family: 4 }
    process.nextTick(answer, null, options.all ? [found] : found.address, 4)
  } else {
    real(name, options, answer)
  }
}

// Node's own type has an overload for every form of the question; sockets ask in this one.
dns.lookup = lookup as typeof dns.lookup
