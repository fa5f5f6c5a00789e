import "../faults/NameServer.ts"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import dns from "node:dns"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { createServer } from "node:http"
import { createServer as createSecure } from "node:https"
import type { AddressInfo } from "node:net"
import type { TLSSocket } from "node:tls"
import { promisify } from "node:util"
import type { buildConnector } from "undici"
import { request as dial } from "undici"
import * as CallerTransport from "../../src/providers/CallerTransport.ts"
import * as NameLookup from "../../src/providers/NameLookup.ts"
import { makeTable } from "../../src/validation/Address.ts"
import * as Url from "../../src/validation/Url.ts"
import { selfSigned } from "../faults/Certificates.ts"
import { allowedUrls, refusedUrls } from "../validation/UrlCases.ts"

/** All of 127.0.0.0/8 is this machine; macOS has one address of it only. */
const hasAddresses = process.platform !== "darwin"

/** A network in small: 127.0.0.2 stands for the public internet and everything else of loopback for what is private. */
const table = makeTable({
  refused: [["127.0.0.0/31", "this machine"], ["127.0.0.3/32", "a private network"], ["127.0.0.4/30", "the rest"]],
  reachable: ["2000::/3"]
})

const picture = Buffer.concat([Buffer.from("GIF89a"), Buffer.alloc(60, 7)])
const sniff = (head: Uint8Array): string | undefined =>
  Buffer.from(head).toString("latin1", 0, 4) === "GIF8" ? "image/gif" : undefined
const wanted: CallerTransport.CallerRequest = {
  mediaTypes: new Set(["image/gif", "image/png"]),
  sniff,
  maxBytes: 1000
}

interface Seen {
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly socket: IncomingMessage["socket"]
}

const asGif = { "content-type": "image/gif" }

/** What the public server answers, by path. */
const answers: Readonly<Record<string, (response: ServerResponse, request: IncomingMessage) => void>> = {
  "/ok": (response) => response.writeHead(200, { ...asGif, "content-length": picture.length }).end(picture),
  "/jpg": (response) => response.writeHead(200, { "content-type": "Image/PNG; q=1" }).end(picture),
  "/html": (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>"),
  "/untyped": (response) => response.writeHead(200).end(picture),
  "/lie": (response) => response.writeHead(200, asGif).end(`<svg>${"x".repeat(200)}`),
  "/short-lie": (response) => response.writeHead(200, asGif).end("<svg/>"),
  "/empty": (response) => response.writeHead(200, asGif).end(),
  "/endless-lie": (response) => void response.writeHead(200, asGif).write("x".repeat(100)),
  "/declared": (response) => response.writeHead(200, { ...asGif, "content-length": 1001 }).flushHeaders(),
  "/counted": (response) => response.writeHead(200, asGif).end(Buffer.concat([picture, Buffer.alloc(2000)])),
  "/endless": (response) => {
    response.writeHead(200, asGif).write(picture)
    const more = () => response.destroyed || response.write(Buffer.alloc(100), () => setImmediate(more))
    more()
  },
  "/cut": (response) => {
    response.writeHead(200, { ...asGif, "content-length": 500 }).write(picture)
    response.socket?.end()
  },
  "/gzip": (response) => response.writeHead(200, { ...asGif, "content-encoding": "gzip" }).end(picture),
  "/identity": (response) => response.writeHead(200, { ...asGif, "content-encoding": "identity" }).end(picture),
  "/missing": (response) => response.writeHead(404, asGif).end(picture),
  "/partial": (response) => response.writeHead(206, asGif).end(picture),
  "/nowhere": (response) => response.writeHead(302).end(),
  "/silent": () => undefined,
  "/stalled": (response) => void response.writeHead(200, asGif).write(picture),
  "/reset": (response) => response.socket?.resetAndDestroy(),
  "/heavy": (response) => response.writeHead(200, { ...asGif, "x-much": "x".repeat(20_000) }).end(picture),
  "/to": (response, request) =>
    response.writeHead(302, { location: new URL(request.url ?? "", "http://a").searchParams.get("to") ?? "" }).end(),
  "/down": (response, request) => {
    const left = Number(new URL(request.url ?? "", "http://a").searchParams.get("left"))
    response.writeHead(307, { location: left > 1 ? `/down?left=${left - 1}` : "/ok" }).end()
  }
}

let port = 0
const seen: Array<Seen> = []
let privateConnections = 0

const listen = (server: Server, at: number, address: string): Promise<number> =>
  new Promise((resolve) => {
    // A server on a port has an address with a port.
    server.listen(at, address, () => resolve((server.address() as AddressInfo).port))
  })

const open = createServer((request, response) => {
  seen.push({ path: request.url ?? "", headers: request.headers, socket: request.socket })
  answers[new URL(request.url ?? "", "http://a").pathname]?.(response, request)
})
const hidden = createServer((_, response) => response.writeHead(200, asGif).end(picture))
  .on("connection", () => {
    privateConnections += 1
  })

beforeAll(async () => {
  if (!hasAddresses) return
  port = await listen(open, 0, "127.0.0.2")
  await listen(hidden, port, "127.0.0.3")
})
afterEach(() => {
  expect(privateConnections).toBe(0)
  seen.length = 0
})
afterAll(() => {
  for (const server of [open, hidden]) server.close().closeAllConnections()
})

const limits = { silenceMs: 200, connectTimeoutMs: 500, totalMs: 3000 }

const fetched = (
  url: string,
  request: Partial<CallerTransport.CallerRequest> = {},
  settings: Parameters<typeof CallerTransport.layer>[0] = {},
  addresses = table
) =>
  Effect.flatMap(CallerTransport.CallerTransport, (transport) => transport.get(url, { ...wanted, ...request })).pipe(
    Effect.match({
      onSuccess: ({ bytes, mediaType }) => `${mediaType} ${Buffer.from(bytes).toString("hex")}`,
      onFailure: (fault) => fault._tag === "UrlRefused" ? fault.rule : fault.why
    }),
    Effect.provide(
      CallerTransport.layer({ ...limits, ...settings }).pipe(
        Layer.provide(Url.layer({ table: addresses, ports: new Set([port]) })),
        Layer.provide(NameLookup.layer())
      )
    )
  )
const ok = `image/gif ${picture.toString("hex")}`
const at = (name: string, path = "/ok") => `http://${name}:${port}${path}`
const redirect = (to: string, from = "a.public.example") => at(from, `/to?to=${encodeURIComponent(to)}`)
const paths = () => seen.map(({ path }) => path.replace(/\?.*/, ""))

describe.runIf(hasAddresses)("a URL of a caller", () => {
  it.live("is fetched by its name, with nothing but what the fetch needs", () =>
    Effect.gen(function*() {
      expect(yield* fetched(at("a.public.example", "/ok?x=1#top"))).toBe(ok)
      expect(seen).toHaveLength(1)
      expect(seen[0]?.path).toBe("/ok?x=1")
      expect(seen[0]?.headers).toEqual({
        host: `a.public.example:${port}`,
        connection: "close",
        "user-agent": "breakwater",
        accept: "image/gif, image/png",
        "accept-encoding": "identity"
      })
    }))

  it.live("is fetched by its address", () =>
    Effect.gen(function*() {
      expect(yield* fetched(at("127.0.0.2"))).toBe(ok)
      expect(yield* fetched(at("[::ffff:127.0.0.2]"))).toBe(ok)
    }))

  it.live("is fetched on a connection of its own", () =>
    Effect.gen(function*() {
      yield* fetched(at("a.public.example"))
      yield* fetched(at("a.public.example"))
      expect(new Set(seen.map(({ socket }) => socket)).size).toBe(2)
    }))

  it.live("does not reach a private address by any way", () =>
    Effect.gen(function*() {
      for (const name of ["127.0.0.3", "127.3", "0x7f.3", "2130706435", "[::ffff:127.0.0.3]", "[::ffff:7f00:3]"]) {
        expect(yield* fetched(at(name))).toBe("address")
      }
      expect(yield* fetched(at("a.private.example"))).toBe("address")
      expect(yield* fetched(at("a.mixed.example"))).toBe("address")
      expect(yield* fetched("http://a.public.example/")).toBe("port")
    }))

  it.live("whose name nobody knows is refused", () =>
    Effect.gen(function*() {
      expect(yield* fetched(at(`${"a".repeat(63)}.lost.test`))).toBe("local")
      expect(yield* fetched(at("name.nowhere.invalid."))).toBe("local")
    }))
})

describe.runIf(hasAddresses)("a connection", () => {
  it.live("that ended up elsewhere than at what was judged carries nothing", () =>
    Effect.gen(function*() {
      const server = createServer((request, response) => {
        seen.push({ path: request.url ?? "", headers: request.headers, socket: request.socket })
        response.writeHead(200, asGif).end(picture)
      })
      yield* Effect.promise(() => listen(server, port, "127.0.0.1"))
      // To the system 0.0.0.0 is another word for 127.0.0.1; a table that overlooked it would allow it.
      const blind = makeTable({ refused: [["127.0.0.0/8", "loopback"]], reachable: [] })
      expect(yield* fetched(at("0.0.0.0"), {}, {}, blind)).toBe("broken")
      server.close().closeAllConnections()
      expect(seen).toEqual([])
    }))
})

describe.runIf(hasAddresses)("a name that moves from a public to a private address", () => {
  it.live("is fetched where it was judged, and refused when it is asked for again", () =>
    Effect.gen(function*() {
      expect(yield* fetched(at("one.moving.example"))).toBe(ok)
      expect(seen).toHaveLength(1)
      expect(yield* fetched(at("one.moving.example"))).toBe("address")
      expect(yield* fetched(at("one.moving.example"))).toBe("address")
      expect(seen).toHaveLength(1)
    }))

  it.live("is refused when a redirect asks for it again", () =>
    Effect.gen(function*() {
      expect(yield* fetched(redirect("/ok", "two.moving.example"))).toBe("address")
      expect(yield* fetched(redirect(at("three.moving.example")))).toBe(ok)
      expect(yield* fetched(redirect(at("three.moving.example")))).toBe("address")
      expect(paths()).toEqual(["/to", "/to", "/ok", "/to"])
    }))

  it.live("stays where it was judged through fifty rounds at once", () =>
    Effect.gen(function*() {
      const names = Array.from({ length: 50 }, (_, index) => at(`round-${index}.moving.example`))
      const first = yield* Effect.forEach(names, (url) => fetched(url), { concurrency: 10 })
      expect(new Set(first)).toEqual(new Set([ok]))
      const second = yield* Effect.forEach(names, (url) => fetched(url), { concurrency: 10 })
      expect(new Set(second)).toEqual(new Set(["address"]))
      expect(seen).toHaveLength(50)
    }))

  it("reaches the private one in a client that judges one answer and dials another", async () => {
    const name = "control.moving.example"
    const found = await promisify(dns.lookup)(name, { all: true })
    expect(found.map(({ address }) => table.judge(address)._tag)).toEqual(["Allowed"])
    const { body, statusCode } = await dial(at(name))
    await body.dump()
    expect(statusCode).toBe(200)
    expect(privateConnections).toBe(1)
    privateConnections = 0
  })
})

describe.runIf(hasAddresses)("a redirect", () => {
  it.live("is followed to what was judged", () =>
    Effect.gen(function*() {
      expect(yield* fetched(redirect(at("b.public.example")))).toBe(ok)
      expect(yield* fetched(redirect("/ok"))).toBe(ok)
      expect(yield* fetched(redirect(`//b.public.example:${port}/ok`))).toBe(ok)
      expect(yield* fetched(redirect(at("127.0.0.2")))).toBe(ok)
    }))

  it.live("is not followed to what is refused", () =>
    Effect.gen(function*() {
      for (
        const [to, rule] of [
          [at("127.0.0.3"), "address"],
          [at("0x7f.3"), "address"],
          [at("[::ffff:7f00:3]"), "address"],
          [`//127.0.0.3:${port}/`, "address"],
          [`\\\\127.0.0.3:${port}\\`, "address"],
          [at("a.private.example"), "address"],
          [at("a.mixed.example"), "address"],
          [at("localhost"), "local"],
          [at("user:pass@a.public.example"), "credentials"],
          ["http://a.public.example/", "port"],
          ["file:///etc/passwd", "scheme"],
          ["data:image/gif;base64,R0lGODlh", "scheme"],
          ["http://", "form"]
        ] as const
      ) expect([to, yield* fetched(redirect(to))]).toEqual([to, rule])
      expect(new Set(paths())).toEqual(new Set(["/to"]))
    }))

  it.live("is followed three times and no more", () =>
    Effect.gen(function*() {
      expect(yield* fetched(at("a.public.example", "/down?left=3"))).toBe(ok)
      expect(yield* fetched(at("a.public.example", "/down?left=4"))).toBe("redirects")
      expect(yield* fetched(at("a.public.example", "/nowhere"))).toBe("status")
    }))

  it.live("takes the caller's own headers along within an origin and never out of it, not even back", () =>
    Effect.gen(function*() {
      const secret = { authorization: "Bearer secret", "x-api-key": "secret", cookie: "a=secret" }
      yield* fetched(redirect("/ok"), { headers: secret })
      expect(seen.map(({ headers }) => headers["x-api-key"])).toEqual(["secret", "secret"])
      seen.length = 0
      const back = redirect(at("a.public.example"), "b.public.example")
      expect(yield* fetched(redirect(back), { headers: secret })).toBe(ok)
      expect(seen.map(({ headers }) => headers.host?.slice(0, 1))).toEqual(["a", "b", "a"])
      expect(seen.map(({ headers }) => [headers.authorization, headers["x-api-key"], headers.cookie])).toEqual([
        ["Bearer secret", "secret", "a=secret"],
        [undefined, undefined, undefined],
        [undefined, undefined, undefined]
      ])
    }))
})

describe.runIf(hasAddresses)("an answer", () => {
  it.live.each<readonly [string, string]>([
    ["/jpg", ok],
    ["/identity", ok],
    ["/html", "type"],
    ["/untyped", "type"],
    ["/lie", "type"],
    ["/short-lie", "type"],
    ["/empty", "type"],
    ["/endless-lie", "type"],
    ["/declared", "large"],
    ["/counted", "large"],
    ["/endless", "large"],
    ["/cut", "broken"],
    ["/gzip", "coding"],
    ["/missing", "status"],
    ["/partial", "status"],
    ["/silent", "slow"],
    ["/stalled", "slow"],
    ["/reset", "broken"],
    ["/heavy", "broken"]
  ])("of %s is %s", ([path, expected]) =>
    Effect.gen(function*() {
      expect(yield* fetched(at("a.public.example", path))).toBe(expected)
      expect(paths()).toEqual([path])
    }))

  it.live("that never ends is over with the whole time, and its socket is closed", () =>
    Effect.gen(function*() {
      expect(
        yield* fetched(at("a.public.example", "/endless"), { maxBytes: 2 ** 40 }, { totalMs: 100 })
      ).toBe("slow")
      const [first] = seen
      yield* Effect.promise(async () => {
        if (first?.socket.destroyed === false) await new Promise((resolve) => first.socket.once("close", resolve))
      })
    }))

  it.live("that nobody waits for any more closes its socket", () =>
    Effect.gen(function*() {
      const arrived = new Promise<Seen>((resolve) => {
        open.once("request", (request) => resolve({ path: "", headers: {}, socket: request.socket }))
      })
      const fiber = yield* Effect.forkChild(fetched(at("a.public.example", "/silent"), {}, { silenceMs: 60_000 }))
      const { socket } = yield* Effect.promise(() => arrived)
      const closed = new Promise((resolve) => socket.once("close", resolve))
      yield* Fiber.interrupt(fiber)
      yield* Effect.promise(() => closed)
    }))
})

const certificate = selfSigned("a.public.example")

describe.skipIf(certificate === undefined || !hasAddresses)("over TLS", () => {
  it.live("the name is what is asked for and certified, the address is the judged one", () =>
    Effect.gen(function*() {
      const names: Array<unknown> = []
      const server = createSecure({ ...certificate }, (request, response) => {
        // The sockets of an https server are of TLS.
        names.push((request.socket as TLSSocket).servername, request.headers.host)
        response.writeHead(200, asGif).end(picture)
      })
      const secure = yield* Effect.promise(() => listen(server, 0, "127.0.0.2"))
      const kept = port
      port = secure
      const ca = certificate?.cert
      const own = yield* fetched(`https://a.public.example.:${secure}/`, {}, { ca })
      const other = yield* fetched(`https://b.public.example:${secure}/`, {}, { ca })
      const unknown = yield* fetched(`https://a.public.example:${secure}/`)
      port = kept
      server.close().closeAllConnections()
      expect([own, other, unknown]).toEqual([ok, "broken", "broken"])
      expect(names).toEqual(["a.public.example", `a.public.example.:${secure}`])
    }))
})

describe("with a connector that only records", () => {
  const dialled: Array<string> = []
  const record = (url: Url.SafeUrl): buildConnector.connector => (options, callback) => {
    dialled.push(`${options.hostname} ${url.addresses.join()}`)
    callback(new Error("recorded"), null)
  }
  const got = (url: string) =>
    Effect.flatMap(CallerTransport.CallerTransport, (transport) => Effect.flip(transport.get(url, wanted))).pipe(
      Effect.provide(
        CallerTransport.layer({ connector: record }).pipe(
          Layer.provide(Url.layer()),
          Layer.provide(Layer.succeed(Url.Resolver, { addresses: () => Effect.succeed(["93.184.215.14"]) }))
        )
      )
    )

  it.effect("no refused URL is dialled", () =>
    Effect.gen(function*() {
      dialled.length = 0
      for (const { url } of refusedUrls) expect((yield* got(url))._tag).toBe("UrlRefused")
      expect(dialled).toEqual([])
    }))

  it.effect("every allowed one is, once", () =>
    Effect.gen(function*() {
      dialled.length = 0
      for (const url of allowedUrls) expect((yield* got(url))._tag).toBe("CallerFault")
      expect(dialled).toHaveLength(allowedUrls.length)
    }))
})
