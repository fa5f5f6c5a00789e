/** A certificate that nobody vouches for, made where openssl is at hand. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** As PEM, for a day. `names` as openssl writes them, such as `DNS:a.example`; undefined where there is no openssl. */
export const selfSigned = (name: string, names = `DNS:${name}`): Certificate | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-tls-"))
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")]
  const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", `/CN=${name}`]
  try {
    execFileSync("openssl", [...made, "-addext", `subjectAltName=${names}`, "-keyout", key, "-out", cert], {
      stdio: "ignore"
    })
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") }
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}
