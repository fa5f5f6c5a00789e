/** The yardstick: `node:http` before an undici Pool, every byte passed through, nothing looked at. Arguments: port, upstream's port. */
import { createServer } from "node:http"
import { Pool } from "undici"

const [port, upstreamPort] = process.argv.slice(2)
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`)

const server = createServer((request, response) => {
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => {
    pool.request({
      method: "POST",
      path: request.url ?? "/",
      headers: {
        "content-type": request.headers["content-type"] ?? "application/json",
        authorization: request.headers.authorization ?? ""
      },
      body: Buffer.concat(parts)
    }).then(({ statusCode, headers, body }) => {
      const length = headers["content-length"]
      response.writeHead(statusCode, {
        "content-type": String(headers["content-type"]),
        ...(length === undefined ? {} : { "content-length": String(length) })
      })
      // Not `pipeline`: its AbortController and listeners cost more than all the rest, and the yardstick has to be lean.
      body.on("error", () => response.destroy())
      response.on("close", () => body.destroy())
      body.pipe(response)
    }, () => {
      response.writeHead(502).end()
    })
  })
})
server.listen(Number(port), "127.0.0.1", () => process.send?.("ready"))
process.on("disconnect", () => process.exit())
process.on("SIGTERM", () => process.exit())
