/** The provider of the streams bench: one event of content, then silence until somebody leaves. Answers a plain request at once. */
import { createServer } from "node:http"
import { completion, streamEvents } from "./Payload.ts"

const first = streamEvents(false).slice(0, 2).join("")

const server = createServer((request, response) => {
  let body = ""
  request.setEncoding("latin1").on("data", (piece: string) => {
    body += piece
  }).on("end", () => {
    if (!/"stream" *: *true/.test(body)) {
      response.writeHead(200, { "content-type": "application/json" }).end(completion)
      return
    }
    response.writeHead(200, { "content-type": "text/event-stream" }).write(first)
  })
})
server.listen(Number(process.argv[2]), "127.0.0.1", () => process.send?.("ready"))
process.on("disconnect", () => process.exit())
process.on("SIGTERM", () => process.exit())
