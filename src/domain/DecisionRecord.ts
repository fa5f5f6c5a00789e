/** The record of one request as it is shown: one shape for the log line, the server span and `GET /api/v1/health/monitoring`. */
import * as Schema from "effect/Schema"

const Milliseconds = Schema.Number

/** What a failure of its kind allows. */
export const FailureClass = Schema.Literals(["retry", "failover", "final"]).annotate({
  description: "What a failure of its kind allows: the same target again, another target only, or neither."
})
/** `retry`: the same target may be asked again. `failover`: only another one. `final`: no target would answer it better. */
export type FailureClass = typeof FailureClass.Type

/** How a request ended. */
export const Ending = Schema.Literals([
  "answered",
  "interrupted",
  "final",
  "exhausted",
  "refused",
  "deadline",
  "defect",
  "cancelled"
]).annotate({
  description:
    "`answered`; `interrupted` after a stream was committed; `final`: a failure that no other target would answer "
    + "better; `exhausted`: nothing was left to try; `refused` before anything was sent; `deadline`; `defect` of the gateway; "
    + "`cancelled` by the caller."
})
export type Ending = typeof Ending.Type

const CostSource = Schema.Literals(["provider", "computed"]).annotate({
  description: "Who says so: the provider in its answer, or our prices and the tokens that it counted."
})

const Estimate = Schema.String.annotate({
  description: "Where the cost is not known: what it may have been, by guessed tokens. In no sum of cost."
})

const Attempt = Schema.Struct({
  target: Schema.String,
  outcome: Schema.String.annotate({
    description:
      "`ok`, the tag of the reason it failed with, `Diverged` where it was to resume a stream and said something "
      + "else, or `unfinished` when it was given up."
  }),
  class: Schema.optionalKey(FailureClass),
  waited_ms: Milliseconds.annotate({ description: "Pause before it." }),
  after_ms: Milliseconds.annotate({ description: "From the request's receipt to its start." }),
  duration_ms: Schema.optionalKey(
    Milliseconds.annotate({
      description: "To the whole answer or the failure; of a stream to its first content event."
    })
  ),
  input_tokens: Schema.optionalKey(Schema.Number.annotate({ description: "Absent when the upstream did not say." })),
  output_tokens: Schema.optionalKey(Schema.Number),
  cost_usd: Schema.optionalKey(
    Schema.String.annotate({
      description: "What it cost in USD, an exact decimal, also if it failed; absent if not known."
    })
  ),
  cost_source: Schema.optionalKey(CostSource),
  estimated_output_tokens: Schema.optionalKey(
    Schema.Number.annotate({ description: "A guess by the length of what came, where the upstream did not count it." })
  ),
  estimated_usd: Schema.optionalKey(Estimate)
})

/** Why a cost is not known. */
const CostAbsence = Schema.Literals(["usage", "model", "rate", "tier", "region", "resumed"]).annotate({
  description:
    "Why the cost of an answer is not known: the provider did not say what it used; there is no price for the model, for a kind of "
    + "token or a search of the web, for the service tier or for the region; the stream was taken up again and what its broken part used is not known."
})
export type CostAbsence = typeof CostAbsence.Type

/** One request. Names of targets are those of the file; nothing of a prompt, an answer or a key is in it. */
export const DecisionRecord = Schema.Struct({
  request_id: Schema.String,
  at_ms: Milliseconds.annotate({ description: "Receipt, since 1970." }),
  duration_ms: Schema.optionalKey(Milliseconds.annotate({ description: "To the last byte of the answer." })),
  alias: Schema.String.annotate({ description: "What the caller put in `model`, at most 256 characters." }),
  stream: Schema.Boolean,
  operation: Schema.optionalKey(
    Schema.Literal("embeddings").annotate({ description: "What was asked for; absent = a chat completion." })
  ),
  candidates: Schema.Array(Schema.String).annotate({ description: "Targets in the order they would be asked." }),
  skipped: Schema.Array(Schema.Struct({ target: Schema.String, why: Schema.String })),
  attempts: Schema.Array(Attempt),
  winner: Schema.optionalKey(Schema.String.annotate({ description: "`provider/model` that answered." })),
  first_content_ms: Schema.optionalKey(
    Milliseconds.annotate({ description: "From receipt to a stream's first content." })
  ),
  resumed: Schema.optionalKey(Schema.Number.annotate({ description: "How often a broken stream was taken up again." })),
  dropped_parameters: Schema.optionalKey(
    Schema.Array(Schema.String).annotate({
      description:
        "Parameters of the request that the upstream could not be told; `other` for names that OpenAI does not document."
    })
  ),
  cost_usd: Schema.optionalKey(
    Schema.String.annotate({
      description: "What the answer cost in USD, an exact decimal; failed attempts are not in it."
    })
  ),
  cost_source: Schema.optionalKey(CostSource),
  cost_absent: Schema.optionalKey(CostAbsence),
  estimated_usd: Schema.optionalKey(Estimate),
  input_tokens: Schema.optionalKey(
    Schema.Number.annotate({ description: "As the provider counted them, cached ones included." })
  ),
  output_tokens: Schema.optionalKey(Schema.Number.annotate({ description: "Thinking included." })),
  trace_id: Schema.optionalKey(
    Schema.String.annotate({ description: "Of its trace, where there is one: 32 hexadecimal digits." })
  ),
  ended: Ending,
  error: Schema.optionalKey(Schema.String.annotate({ description: "Tag of the reason that ended it, if it failed." }))
}).annotate({ identifier: "DecisionRecord" })
export type DecisionRecord = typeof DecisionRecord.Type
