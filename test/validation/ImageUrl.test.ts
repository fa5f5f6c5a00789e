import { describe, expect, it } from "@effect/vitest"
import { checkChat, checkEmbedding } from "../../src/server/ChatBody.ts"
import { defaultServerSettings } from "../../src/server/ServerSettings.ts"
import { allowedUrls, refusedUrls } from "./UrlCases.ts"

const text = { type: "text", text: "what is this?" }
const image = (url: string) => ({ type: "image_url", image_url: { url } })
const user = (...content: ReadonlyArray<unknown>) => ({ role: "user", content })
/** By the way that a request takes, from its text on. */
const check = (messages: ReadonlyArray<unknown>, hosts?: ReadonlyArray<string>) =>
  checkChat(JSON.stringify({ model: "m", messages }), defaultServerSettings.limits, hosts)
const problemOf = (messages: ReadonlyArray<unknown>, hosts?: ReadonlyArray<string>) => {
  const checked = check(messages, hosts)
  return "_tag" in checked ? checked : undefined
}
const paramOf = (...parts: ReadonlyArray<unknown>) => problemOf([user(...parts)])?.param

const png = "data:image/png;base64,iVBORw0KGgo="

describe("the URLs of a request", () => {
  it("make the whole request a 400 that names message and part", () => {
    const problem = problemOf([
      { role: "system", content: "http://127.0.0.1/" },
      user(text, image("https://example.com/a.png")),
      user(text, text, image("http://127.1/a.png"))
    ])
    expect(problem).toMatchObject({
      _tag: "InvalidRequest",
      message: "Invalid 'messages[2].content[2].image_url.url': expected the URL of a public host or a data URI, " +
        "but this one names an address that is not public.",
      param: "messages[2].content[2].image_url.url",
      code: "invalid_image_url"
    })
    expect(problem?.status).toBe(400)
  })

  it("pass untouched", () => {
    const source = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"," +
      "\"image_url\":{\"url\":\"HTTPS:\\/\\/Example.com:443\\/a b\"}}]}]}"
    expect(checkChat(source, defaultServerSettings.limits)).toMatchObject({ source: { text: source } })
  })

  it("are all refused that no guard would let out", () => {
    const schema = /^(?:https?|data|gs|s3):/i
    const passed = refusedUrls.filter(({ rules, url }) =>
      schema.test(url) && !rules.includes("length") && paramOf(image(url)) !== "messages[0].content[0].image_url.url"
    )
    expect(passed).toEqual([])
  })

  it("all pass that a guard would let out", () => {
    expect(allowedUrls.filter((url) => paramOf(image(url)) !== undefined)).toEqual([])
  })

  it("may be long, for they are signed", () => {
    expect(paramOf(image(`https://example.com/a.png?token=${"a".repeat(4000)}`))).toBeUndefined()
    expect(paramOf(image(`https://example.com/a.png?token=${"a".repeat(9000)}`))).toBeDefined()
  })

  it("are judged in tools that an upstream runs, and are words in those of the caller", () => {
    const paramOf = (body: unknown) => {
      const text = JSON.stringify({ model: "m", messages: [user({ type: "text", text: "hi" })], ...Object(body) })
      const checked = checkChat(text, defaultServerSettings.limits, ["images.example"])
      return "_tag" in checked ? checked.param : undefined
    }
    const inside = "http://10.0.0.1:8080/mcp"
    expect(paramOf({ tools: [{ type: "function", function: { name: "f" } }, { type: "mcp", server_url: inside }] }))
      .toBe("tools[1].server_url")
    expect(paramOf({ mcp_servers: [{ type: "url", url: inside, name: "x" }] })).toBe("mcp_servers[0].url")
    expect(paramOf({ tools: [{ type: "mcp", server_url: "https://mcp.example.com/sse" }] })).toBeUndefined()
    const parameters = { type: "object", properties: { url: { type: "string" } }, url: inside }
    expect(paramOf({ tools: [{ type: "function", function: { name: "f", parameters } }] })).toBeUndefined()
  })

  it("are judged in a conversation that stands in a request for embeddings", () => {
    const paramOf = (url: string) => {
      const body = { model: "m", input: "x", messages: ["x", null, user(text, image(url))] }
      const checked = checkEmbedding(JSON.stringify(body), defaultServerSettings.limits)
      return "_tag" in checked ? checked.param : undefined
    }
    expect(paramOf("http://169.254.169.254/")).toBe("messages[2].content[1].image_url.url")
    expect(paramOf("https://example.com/a.png")).toBeUndefined()
  })

  it("stay within the operator's list where there is one", () => {
    expect(problemOf([user(image("https://a.example.com/"))], ["*.example.com"])).toBeUndefined()
    expect(problemOf([user(image("https://example.org/"))], ["*.example.com"])?.message).toContain(
      "has not listed"
    )
    expect(problemOf([user(image(png))], ["*.example.com"])).toBeUndefined()
  })

  it.each([
    png,
    "data:image/jpeg;base64,/9j/4AAQ",
    "DATA:image/webp;base64,UklGRg==",
    "data:image/gif;base64,R0lGODlh",
    "data:image/heic;base64,AAAA",
    "data:image/png;charset=utf-8;base64,AAAA",
    "data:application/pdf;base64,JVBERi0=",
    "data:video/mp4;base64,AAAA"
  ])("pass as %s", (url) => {
    expect(paramOf(image(url))).toBeUndefined()
  })

  it.each([
    "data:",
    "data:,",
    "data:image/png,AAAA",
    "data:;base64,AAAA",
    "data:image/png;base64",
    "data:image/svg+xml;base64,PHN2Zz4=",
    "data:text/html;base64,PGh0bWw+",
    "data:application/xhtml+xml;base64,AAAA",
    "data:application/javascript;base64,AAAA",
    `data:image/png;a=${"b".repeat(300)};base64,AAAA`,
    "gs://bucket/a.png",
    "s3://bucket/a.png"
  ])("are refused as %s", (url) => {
    expect(paramOf(image(url))).toBe("messages[0].content[0].image_url.url")
  })

  it("are judged where some dialects put the images of an earlier answer", () => {
    const images = [{ type: "image_url", image_url: { url: "http://169.254.169.254/x.png" } }]
    const answered = { role: "assistant" as const, content: "see", images }
    expect(problemOf([answered])?.param).toBe("messages[0].images[0].image_url.url")
  })

  it("are judged in parts that only some upstreams know", () => {
    const bad = "http://169.254.169.254/"
    const at = (rest: string) => `messages[0].content[0].${rest}`
    expect(paramOf({ type: "video_url", video_url: { url: bad } })).toBe(at("video_url.url"))
    expect(paramOf({ type: "audio_url", audio_url: bad })).toBe(at("audio_url"))
    expect(paramOf({ type: "input_image", image_url: bad })).toBe(at("image_url"))
    expect(paramOf({ type: "image", source: { type: "url", url: bad } })).toBe(at("source.url"))
    expect(paramOf({ type: "image", source: { url: "file:///etc/passwd" } })).toBe(at("source.url"))
    expect(paramOf({ type: "image", source: { url: "//localhost/" } })).toBe(at("source.url"))
    expect(paramOf({ type: "tool_result", content: [image(bad)] })).toBe(at("content[0].image_url.url"))
    expect(paramOf({ type: "file", file: { file_data: bad } })).toBe(at("file.file_data"))
    expect(paramOf({ type: "file", file: { file_id: bad } })).toBe(at("file.file_id"))
    expect(paramOf({ type: "media", fileData: { fileUri: bad } })).toBe(at("fileData.fileUri"))
    expect(paramOf({ type: "input_audio", input_audio: { data: bad, format: "wav" } })).toBe(at("input_audio.data"))
    expect(paramOf({ type: "image", image: bad })).toBe(at("image"))
    expect(paramOf({ type: "file", file: { File_Data: bad } })).toBe(at("file.File_Data"))
    expect(paramOf({ type: "video", video: ["https://a.example.com/1.jpg", bad] })).toBe(at("video[1]"))
    expect(paramOf({ type: "text", text: "x", image_url: { url: bad } })).toBe(at("image_url.url"))
  })

  it("are not looked for in what people write", () => {
    expect(paramOf({ type: "text", text: "http://127.0.0.1/" })).toBeUndefined()
    expect(paramOf({ type: "text", text: "x", citations: { title: "http://localhost/" } })).toBeUndefined()
    expect(paramOf({ type: "file", file: { file_data: "data:text/plain;base64,AAAA", filename: "localhost.txt" } }))
      .toBeUndefined()
    expect(paramOf({ type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } })).toBeUndefined()
    expect(paramOf({ type: "text", text: "x", citations: ["http://localhost/"] })).toBeUndefined()
    expect(paramOf({ type: "image", image: "iVBORw0KGgo=" })).toBeUndefined()
    expect(paramOf({ type: "image", source: { url: "file-abc123" } })).toBeUndefined()
  })
})
