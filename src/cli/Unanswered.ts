/** The end of a command that had no answer of a running server, and the line that says why. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { isOfCertificate } from "../providers/Certificates.ts"
import { codeOf } from "../providers/TransportFailure.ts"
import { ExitWith } from "./Exit.ts"

/** Says it on stderr and ends with exit code 1. */
export const fail = (line: string) => Effect.andThen(Console.error(line), Effect.fail(new ExitWith({ code: 1 })))

/** Why nothing came: a certificate that is not accepted is no server that is down. */
export const unreached = (url: string, cause: unknown): string => {
  const code = codeOf(cause)
  return isOfCertificate(code)
    ? `the certificate of ${url} is not accepted: ${code}; name the authority that vouches for it in NODE_EXTRA_CA_CERTS`
    : `${url} does not answer; is the server running, and --url right?`
}
