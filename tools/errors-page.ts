/** `docs/ERRORS.md` from the reasons and the one table of verdicts. */
import { errorResponse } from "../src/api/ErrorBody.ts"
import { parserRefusals } from "../src/cli/ParserFaults.ts"
import * as Errors from "../src/domain/GatewayError.ts"
import { classify, type Verdict } from "../src/resilience/Classification.ts"
import { table } from "./markdown-table.ts"

type Tag = Errors.Reason["_tag"]

/** When each reason is given; the type keeps the list complete. */
const meanings: { readonly [T in Tag]: string } = {
  InvalidRequest: "the body is no JSON, breaks the schema or a limit, or says a member twice",
  Unauthorized: "the key is missing, unknown, revoked or expired",
  Forbidden: "an operator's route asked from elsewhere, or a POST from a foreign origin",
  ModelNotFound:
    "`model` is no alias, no `provider/model` and no model that a provider lists (the message says what was probably meant), or the key may not call it",
  RouteNotFound: "no such path, or breaker control of an unknown target (code `target_not_found`)",
  MethodNotAllowed: "the path exists with other methods; `allow` names them",
  PayloadTooLarge: "the body is larger than `server.limits.body`",
  UnsupportedMediaType: "the body is declared to be something other than JSON",
  UpstreamRefused: "the upstream says that the request is wrong",
  ContextLengthExceeded: "the upstream says that the request is too long for the model",
  ContentFiltered: "the upstream's filter refuses the request",
  RateLimited: "the upstream says: too many requests",
  QuotaExhausted: "the account with the upstream is out of money or quota",
  CredentialRejected: "the upstream does not accept our key",
  UpstreamModelMissing: "the upstream does not have the model",
  Overloaded: "the upstream says that it is overloaded",
  UpstreamFailed: "the upstream answers with a failure of its own",
  UpstreamUnreachable: "no connection: name, route, refusal, TLS",
  ConnectionReset: "the connection ends before the answer does",
  UpstreamTimedOut: "the upstream is silent beyond a limit of `timeouts`",
  MalformedAnswer: "what arrives is no answer in the upstream's own dialect, or a stream without content",
  StreamInterrupted: "a stream ends in its middle",
  CallerRateLimited:
    "the caller's key, or the model for all callers, has used up a limit of requests, tokens or requests at once",
  BudgetExhausted: "what is left of a budget of the key, its tag or everybody does not cover what the request may cost",
  AdmissionUnavailable: "what the key has used cannot be looked up, and `storage.whenAway` is closed for that",
  CircuitOpen: "every target that is left has an open circuit",
  QueueFull: "every target that is left is at `maxConcurrency` with a full queue",
  LoadShed: "the gateway itself is at `server.limits.inFlight` or late by `server.limits.lag`, for this priority",
  DeadlineExceeded:
    "the deadline of the whole request (`timeouts.total`, or the caller's `x-request-timeout-ms`) has passed",
  Draining:
    "the process is being stopped, and the request had no answer, or its stream no end, when `server.drain.streams` had passed",
  InternalFailure: "a defect of the gateway; the log has the cause under the request id"
}

const isTag = (name: string): name is Tag => Object.hasOwn(meanings, name)

/** One of each. A `RateLimited` is always an upstream's: limits of the gateway itself have a reason of their own. */
const reasons: ReadonlyArray<Errors.Reason> = Object.keys(meanings).filter(isTag).map((tag) => {
  // oxlint-disable-next-line import/namespace -- a tag is the name of its class, which the type of `tag` holds it to
  const Reason = Errors[tag]
  return new Reason({ message: meanings[tag], upstreamStatus: tag === "RateLimited" ? 429 : undefined })
})

interface Code {
  readonly code: string
  readonly status: number
  readonly type: string
  /** The tag of the reason, or what refuses before there is one. */
  readonly from: string
  readonly when: string
}

/** Codes that stand in place of a reason's own, by who gives them. A test holds this list to the source. */
const ownCodes: ReadonlyArray<readonly [tag: Tag, code: string, when: string]> = [
  ["InvalidRequest", "empty_body", "there is no body"],
  ["InvalidRequest", "invalid_body", "the body breaks off, or its length is not what was said"],
  ["InvalidRequest", "invalid_json", "the body is no JSON; the message says where it stops being some"],
  ["InvalidRequest", "invalid_utf8", "the body is not UTF-8"],
  ["InvalidRequest", "missing_host", "HTTP/1.1 without a `Host`"],
  ["InvalidRequest", "invalid_host", "a `Host` that is no name or address, or two of them"],
  ["InvalidRequest", "invalid_target", "the request's target is no path, as a proxy would be asked"],
  ["InvalidRequest", "too_many_headers", "more than 100 headers"],
  ["InvalidRequest", "too_deep", "the body is nested deeper than `server.limits.depth`"],
  ["InvalidRequest", "too_many_members", "the body has more members and elements than `server.limits.members`"],
  ["InvalidRequest", "too_many", "a list is longer than its limit under `server.limits`; the message says which"],
  ["InvalidRequest", "too_long", "an identifier or a stop sequence is longer than its limit under `server.limits`"],
  [
    "InvalidRequest",
    "hazardous_member",
    "a member is named `__proto__`, `constructor` or `prototype` outside a JSON Schema"
  ],
  [
    "InvalidRequest",
    "routing_member",
    "a member such as `api_base` or `api_key`, which is the configuration's to say; or one such as `Model`, which some upstreams read as `model`"
  ],
  [
    "InvalidRequest",
    "conflicting_members",
    "two members that exclude each other, such as `max_tokens` and `max_completion_tokens`"
  ],
  ["InvalidRequest", "missing_companion", "a member that needs another, such as `tool_choice` without `tools`"],
  ["InvalidRequest", "unknown_tool", "`tool_choice` names a tool that is not in `tools`"],
  ["InvalidRequest", "unknown_tool_call", "a tool's result answers no call of an assistant message before it"],
  ["InvalidRequest", "unsupported_value", "a value that the model is known not to take"],
  ["InvalidRequest", "invalid_model_name", "a part of the model's name between slashes is `.` or `..`"],
  [
    "InvalidRequest",
    "hidden_character",
    "metadata or an identifier has a control, direction-override, tag or invisible character"
  ],
  [
    "InvalidRequest",
    "dangerous_filename",
    "a file's name could harm where it is stored or shown; the message says by what"
  ],
  [
    "InvalidRequest",
    "invalid_image_url",
    "an image's URL is not one of a public host, or the image cannot be had; `param` says which"
  ],
  ["InvalidRequest", "duplicate_member", "a member stands twice at the top of the body"],
  ["InvalidRequest", "unknown_priority", "`x-breakwater-priority` is no word that is known"],
  ["InvalidRequest", "unsupported_parameter", "the model that would answer cannot be told what `param` names"],
  ["InvalidRequest", "invalid_timeout", "`x-request-timeout-ms` is no positive whole number of milliseconds"],
  ["InvalidRequest", "embeddings_not_supported", "embeddings were asked for, and no target of the model has any"],
  [
    "InvalidRequest",
    "unsupported_capability",
    "no target of the alias has what the request needs: images, tools, a JSON Schema, or going on from an answer that is given last"
  ],
  ["InvalidRequest", "unknown_parameter", "breaker control with a query; it takes its target in the body"],
  ["InvalidRequest", "invalid_parameter", "the query of `/api/v1/usage` has a name or value that it does not take"],
  ["ContentFiltered", "guard_refused", "a guard of the model refused the request or its answer"],
  [
    "AdmissionUnavailable",
    "guard_unavailable",
    "a guard of the model failed or took too long, and nothing passes then"
  ],
  ["InvalidRequest", "guarded_model", "the model has guards, which do not read requests of this kind"],
  ["RouteNotFound", "no_ledger", "the server was made without a ledger"],
  ["Overloaded", "ledger_unavailable", "the database of the ledger does not answer"],
  ["Unauthorized", "missing_api_key", "there is no key"],
  ["Forbidden", "model_unpriced", "a budget rules the request, and a target of its model has no known price"],
  ["Forbidden", "foreign_origin", "a POST from a foreign origin"],
  ["Forbidden", "foreign_host", "there are no client keys, and the Host is a name that anybody could point here"],
  ["RouteNotFound", "target_not_found", "breaker control of an unknown target"],
  ["InvalidRequest", "key_exists", "a key is to be issued under a name that one has, or had"],
  ["InvalidRequest", "key_revoked", "a key is to be rotated that is revoked"],
  ["InvalidRequest", "configured_key", "a key is to be changed that stands in the configuration"],
  ["RouteNotFound", "key_not_found", "no client key has this name or id"],
  ["RouteNotFound", "no_issued_keys", "the server was made without a store of keys"],
  ["AdmissionUnavailable", "keys_unavailable", "the database of the keys does not take a change"],
  ["RouteNotFound", "request_not_found", "monitoring of a request that is not remembered"],
  ["InternalFailure", "fleet_incomplete", "not every worker acknowledged a breaker's control or a change to a key"]
]

/** Parser refusals whose code is also one of a reason. */
const parserWhen: Readonly<Record<string, string>> = {
  request_too_large: "the extensions of a chunk are too large",
  method_not_allowed: "`CONNECT`"
}

const withoutStop = (text: string): string => text.replace(/\.$/, "")

/** Every code that the gateway itself can answer, by name. */
const codes = (): ReadonlyArray<Code> => {
  const ofReasons = reasons.flatMap(({ _tag, errorCode, status, type }) =>
    errorCode === null ? [] : [{ code: errorCode, status, type, from: `\`${_tag}\``, when: meanings[_tag] }]
  )
  const own = ownCodes.flatMap(([tag, code, when]) =>
    reasons.filter(({ _tag }) => _tag === tag).map(({ status, type }) => ({
      code,
      status,
      type,
      from: `\`${tag}\``,
      when
    }))
  )
  const parser = parserRefusals.map(({ code, message, status }) => ({
    code,
    status,
    type: "invalid_request_error",
    from: "HTTP parser",
    when: parserWhen[code] ?? withoutStop(message)
  }))
  return [...ofReasons, ...own, ...parser].toSorted((left, right) => left.code < right.code ? -1 : 1)
}

const again: { readonly [R in Verdict["retrySame"]]: string } = {
  no: "no",
  transient: "yes, after `retry.base`",
  throttle: "yes, after `retry.throttleBase`"
}

const isRepeatable = (reason: Errors.Reason): boolean => errorResponse(reason).headers["x-should-retry"] === undefined

const clientMayRetry = (reason: Errors.Reason): string => {
  if (isRepeatable(reason)) return "yes"
  // oxlint-disable-next-line import/namespace -- a tag is the name of its class
  const Same = Errors[reason._tag]
  const paused = new Same({ message: "", retryAfterMs: 1, upstreamStatus: reason.upstreamStatus })
  return isRepeatable(paused) ? "with a pause" : "no"
}
const leftAlone = (ms: number | undefined): string =>
  ms === undefined ? "no" : ms === 0 ? "as long as it asks" : `as long as it asks, or ${ms / 1000} s`

const code = (text: string | null): string => text === null ? "`null`" : `\`${text}\``

export const errorsPage = (): string =>
  `# Errors

Generated by \`npm run docs\` from \`src/domain/GatewayError.ts\`, \`src/resilience/Classification.ts\` and
\`src/api/ErrorBody.ts\`. Do not edit.

Every failure is one \`GatewayError\` with one \`reason\`. An HTTP caller sees OpenAI's envelope, always with all four keys:

\`\`\`json
{ "error": { "message": "…", "type": "…", "param": null, "code": "…" } }
\`\`\`

A stream that breaks after its first content ends with the same envelope in one \`data:\` event and without \`[DONE]\`.
A reason may carry a \`code\` of its own in place of the one below. \`x-should-retry: false\` stands on every failure that the
caller must not repeat; \`retry-after\` (seconds) and \`retry-after-ms\` are there where a pause is known.

## What the caller sees

${
    table(
      ["reason", "when", "status", "type", "code", "caller may repeat"],
      reasons.map((reason) => [
        `\`${reason._tag}\``,
        meanings[reason._tag],
        String(reason.status),
        `\`${reason.type}\``,
        code(reason.errorCode),
        clientMayRetry(reason)
      ])
    )
  }

"With a pause" means: only when a pause is known, and then after it. Without one the failure of an upstream is not to be repeated by
the caller, because the gateway has already waited and asked elsewhere. \`retry-after\` and \`x-should-retry: false\` never stand together.

## Every code

\`null\` is the code of an \`InvalidRequest\` that breaks the schema (\`param\` says where) and of an \`UpstreamRefused\` whose upstream gave
none; a code that an upstream gave with its own refusal of the request is passed on as it is. "HTTP parser" is what Node refuses before there
is a request to route: its line in the log has \`http.route\` \`_other\`, and the connection is closed.

${
    table(
      ["code", "status", "type", "reason", "when"],
      codes().map(({ code, from, status, type, when }) => [`\`${code}\``, String(status), `\`${type}\``, from, when])
    )
  }

## What the flow does

"Same target" is asked again at most \`retry.attempts\` times; "next target" is failover. \`Throttled\` and \`Ignored\` say
nothing about whether the target works and change no rate of its breaker. With "left alone" a pause that the upstream asked for
and that is longer than \`retry.max\`, or than a third of the time left, keeps every request from the target until it is over. A
credential that was rejected is not used again until an operator's reset or another configuration; with several keys the next one
is used at once.

${
    table(
      ["reason", "same target again", "next target", "breaker hears", "left alone"],
      reasons.map((reason) => {
        const verdict = classify(reason)
        return [
          `\`${reason._tag}\``,
          again[verdict.retrySame],
          verdict.failover ? "yes" : "no",
          verdict.breaker,
          leftAlone(verdict.cooldownMs)
        ]
      })
    )
  }

An answer that comes after \`timeouts.answer\` (a stream: whose first content comes after \`timeouts.firstToken\`) is a success
for the caller and \`Slow\` for the breaker, which hears of it at that moment, and of the success when it comes. A target that is given up at such a limit is
\`Slow\` too; where the caller's own deadline left it less than half of the limit, the breaker hears nothing.
`
