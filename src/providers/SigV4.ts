/**
 * AWS Signature Version 4 of one request whose body is in hand and whose path has no query. Trap: the path that is signed is the
 * path as it is sent, percent-encoded once more.
 */
import * as DateTime from "effect/DateTime"
import * as Redacted from "effect/Redacted"
import { createHash, createHmac } from "node:crypto"

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  /** Of temporary credentials; absent = they are permanent. */
  readonly sessionToken?: Redacted.Redacted | undefined
}

/** Whose words are signed, and for which service where. */
export interface SigningScope {
  readonly credentials: AwsCredentials
  /** Such as `us-east-1`. */
  readonly region: string
  /** Such as `bedrock`. */
  readonly service: string
}

export interface SignedRequest {
  readonly method: string
  /** With the port, where it is not the scheme's own. */
  readonly host: string
  /** As it goes over the wire, without a query. */
  readonly path: string
  /** Headers that are signed beside host, date and token; lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest()

/** What RFC 3986 leaves as it is; `encodeURIComponent` spares five more. */
const encoded = (segment: string): string =>
  encodeURIComponent(segment).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/** `20150830T123600Z` */
const stampOf = (nowMs: number): string =>
  DateTime.formatIso(DateTime.makeUnsafe(nowMs)).replaceAll(/[-:]|\.\d{3}/g, "")

/** The key of one day, region and service. */
const keyOf = ({ credentials, region, service }: SigningScope, day: string): Buffer =>
  hmac(hmac(hmac(hmac(`AWS4${Redacted.value(credentials.secretAccessKey)}`, day), region), service), "aws4_request")

/**
 * What signs requests of this scope: answers the headers to send beside those that are signed, `authorization`, `x-amz-date` and
 * for temporary credentials `x-amz-security-token`. A day's key is made once.
 */
export const makeSigner = (scope: SigningScope) => {
  const { credentials, region, service } = scope
  const token = credentials.sessionToken
  let signingDay = ""
  let signingKey: Buffer = Buffer.alloc(0)
  return (request: SignedRequest, nowMs: number): Readonly<Record<string, string>> => {
    const stamp = stampOf(nowMs)
    const day = stamp.slice(0, 8)
    if (day !== signingDay) {
      signingKey = keyOf(scope, day)
      signingDay = day
    }
    const added: Readonly<Record<string, string>> = {
      "x-amz-date": stamp,
      ...(token === undefined ? {} : { "x-amz-security-token": Redacted.value(token) })
    }
    const signed = Object.entries<string>({ ...request.headers, ...added, host: request.host })
      .map(([name, value]) => [name, value.trim().replaceAll(/ +/g, " ")] as const)
      .sort(([one], [other]) => one < other ? -1 : 1)
    const names = signed.map(([name]) => name).join(";")
    const canonical = [
      request.method,
      request.path.split("/").map(encoded).join("/"),
      "",
      ...signed.map(([name, value]) => `${name}:${value}`),
      "",
      names,
      sha256(request.body)
    ].join("\n")
    const within = `${day}/${region}/${service}/aws4_request`
    const signature = hmac(signingKey, ["AWS4-HMAC-SHA256", stamp, within, sha256(canonical)].join("\n")).toString(
      "hex"
    )
    const authorization =
      `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${within}, SignedHeaders=${names}, Signature=${signature}`
    return { ...added, authorization }
  }
}
