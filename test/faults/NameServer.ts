/**
 * Loaded into a gateway (`--import`): a name server that fails in passing. `*.blip.test` is 127.0.0.1 from the second question on,
 * `*.lost.test` is never known in time; every other name is looked up as ever.
 */
import dns from "node:dns"

const real = dns.lookup
const asked = new Set<string>()

type Answer = (error: NodeJS.ErrnoException | null, address: unknown, family?: number) => void

const again = (name: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`getaddrinfo EAI_AGAIN ${name}`), { code: "EAI_AGAIN", syscall: "getaddrinfo" })

const lookup = (name: string, options: dns.LookupAllOptions, answer: Answer): void => {
  const isFirst = !asked.has(name)
  asked.add(name)
  if (name.endsWith(".lost.test") || (name.endsWith(".blip.test") && isFirst)) {
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
