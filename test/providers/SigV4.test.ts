import { describe, expect, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { makeSigner, type SignedRequest } from "../../src/providers/SigV4.ts"

/** Of the vectors that AWS publishes. */
const nowMs = Date.UTC(2015, 7, 30, 12, 36, 0)
const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: Redacted.make("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}
const scope = { credentials, region: "us-east-1", service: "service" }
const plain: SignedRequest = { method: "GET", host: "example.amazonaws.com", path: "/", body: "" }

interface Vector {
  readonly request: Partial<SignedRequest>
  readonly token?: string
  readonly signed: string
  readonly signature: string
}

const token =
  "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwth" +
  "Ax7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rK" +
  "wT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

const vectors: Readonly<Record<string, Vector>> = {
  "get-vanilla": {
    request: {},
    signed: "host;x-amz-date",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
  },
  "post-vanilla": {
    request: { method: "POST" },
    signed: "host;x-amz-date",
    signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
  },
  "get-unreserved": {
    request: { path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" },
    signed: "host;x-amz-date",
    signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"
  },
  "get-utf8": {
    request: { path: "/ሴ" },
    signed: "host;x-amz-date",
    signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"
  },
  "post-x-www-form-urlencoded": {
    request: {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: "Param1=value1"
    },
    signed: "content-type;host;x-amz-date",
    signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
  },
  "post-sts-header-before": {
    request: { method: "POST" },
    token,
    signed: "host;x-amz-date;x-amz-security-token",
    signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
  }
}

describe("SigV4", () => {
  for (const [name, vector] of Object.entries(vectors)) {
    it(`signs AWS's vector ${name}`, () => {
      const sessionToken = vector.token === undefined ? undefined : Redacted.make(vector.token)
      const sign = makeSigner({ ...scope, credentials: { ...credentials, sessionToken } })
      expect(sign({ ...plain, ...vector.request }, nowMs)).toEqual({
        "x-amz-date": "20150830T123600Z",
        ...(vector.token === undefined ? {} : { "x-amz-security-token": vector.token }),
        authorization: "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
          `SignedHeaders=${vector.signed}, Signature=${vector.signature}`
      })
    })
  }

  it("takes another key on another day", () => {
    const sign = makeSigner(scope)
    const first = sign(plain, nowMs)
    expect(sign(plain, nowMs + 86_400_000)).not.toEqual(first)
    expect(sign(plain, nowMs)).toEqual(first)
    expect(makeSigner(scope)(plain, nowMs + 86_400_000)).toEqual(sign(plain, nowMs + 86_400_000))
  })

  it("signs a path that is encoded already once more, since that is what the service reads", () => {
    const sign = makeSigner(scope)
    const once = sign({ ...plain, path: "/model/a%3A0/converse" }, nowMs)
    expect(once).not.toEqual(sign({ ...plain, path: "/model/a:0/converse" }, nowMs))
  })

  it("does not show the secret or the token when it is printed", () => {
    const text = JSON.stringify({ ...scope, credentials: { ...credentials, sessionToken: Redacted.make("tok") } })
    expect(text).not.toMatch(/wJalr|tok"/)
  })
})
