/** Certificates made by openssl where it is at hand: for 127.0.0.1 by an authority of our own, good ones and bad ones, and ones for which nobody vouches. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Certificate {
  readonly key: string
  readonly cert: string
}

export interface Certificates {
  /** The authority's own certificate, as a file: what whoever is to trust it is given in `NODE_EXTRA_CA_CERTS`. */
  readonly authority: string
  readonly good: Certificate
  readonly expired: Certificate
  readonly wrongHost: Certificate
  /** Nobody vouches for it. */
  readonly selfSigned: Certificate
  readonly remove: () => void
}

const settings = `
[req]
distinguished_name = name
[name]
[ca]
default_ca = ours
[ours]
new_certs_dir = .
database = index.txt
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
`

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

/** As PEM. `names` as openssl writes them, such as `DNS:a.example`; undefined on a machine without openssl. */
export const selfSigned = (name: string, names = `DNS:${name}`, days = 1): Certificate | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-tls-"))
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")]
  const made = [
    "req",
    "-x509",
    ...newKey,
    "-days",
    `${days}`,
    "-subj",
    `/CN=${name}`,
    "-addext",
    `subjectAltName=${names}`
  ]
  try {
    execFileSync("openssl", [...made, "-keyout", key, "-out", cert], { stdio: "ignore" })
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") }
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Undefined on a machine without openssl. */
export const make = (): Certificates | undefined => {
  const folder = mkdtempSync(join(tmpdir(), "breakwater-tls-"))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const openssl = (...args: ReadonlyArray<string>) =>
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] })
  const read = (name: string): Certificate => ({
    key: readFileSync(join(folder, `${name}.key`), "utf8"),
    cert: readFileSync(join(folder, `${name}.pem`), "utf8")
  })
  const request = (name: string, ...more: ReadonlyArray<string>) =>
    openssl("req", "-config", "ca.cnf", "-new", ...newKey, "-keyout", `${name}.key`, "-subj", `/CN=${name}`, ...more)
  const signed = (name: string, host: string, from: string, to: string): Certificate => {
    request(name, "-out", `${name}.csr`, "-addext", `subjectAltName=${host}`)
    const files = ["-cert", "authority.pem", "-keyfile", "authority.key", "-in", `${name}.csr`, "-out", `${name}.pem`]
    openssl("ca", "-batch", "-notext", "-config", "ca.cnf", ...files, "-startdate", from, "-enddate", to)
    return read(name)
  }
  try {
    writeFileSync(join(folder, "ca.cnf"), settings)
    writeFileSync(join(folder, "index.txt"), "")
    request(
      "authority",
      "-x509",
      "-days",
      "30",
      "-out",
      "authority.pem",
      "-addext",
      "basicConstraints=critical,CA:TRUE"
    )
    request("alone", "-x509", "-days", "30", "-out", "alone.pem", "-addext", "subjectAltName=IP:127.0.0.1")
    return {
      authority: join(folder, "authority.pem"),
      good: signed("good", "IP:127.0.0.1", "20200101000000Z", "20491231235959Z"),
      expired: signed("expired", "IP:127.0.0.1", "20200101000000Z", "20200102000000Z"),
      wrongHost: signed("wrong", "DNS:wrong.example", "20200101000000Z", "20491231235959Z"),
      selfSigned: read("alone"),
      remove
    }
  } catch (error) {
    remove()
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}
