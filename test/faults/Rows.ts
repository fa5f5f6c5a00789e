/** Where each of the 63 rows of the fault table is held to, besides the rows of `scenarios.ts` that name it. */

interface Played {
  readonly file: string
  /** The tests in it, by their titles as they are written there. */
  readonly tests: ReadonlyArray<string>
}

const inFaults = (name: string, ...tests: ReadonlyArray<string>): Played => ({ file: `test/faults/${name}`, tests })
const inWire = (name: string, ...tests: ReadonlyArray<string>): Played => ({ file: `test/wire/${name}`, tests })
const inResilience = (name: string, ...tests: ReadonlyArray<string>): Played => ({
  file: `test/resilience/${name}`,
  tests
})

const inFlow = (name: string, ...tests: ReadonlyArray<string>): Played => ({ file: `test/flow/${name}`, tests })

/** Of memory, which one test holds several kinds to. */
const crowd = "is not what a crowd of answers of the kind %s would take (%i MiB each)"

const unconnectable = inFaults(
  "Gateway.test.ts",
  "a target that cannot be connected to (%s) is asked once and fails over"
)

/** Row → the tests that play it. */
export const playedIn: Readonly<Record<number, ReadonlyArray<Played>>> = {
  1: [unconnectable],
  2: [unconnectable],
  3: [
    inFaults(
      "BelowHttp.test.ts",
      "a name that nobody knows fails over",
      "a name server that fails in passing is asked again",
      "a name server that goes on failing is asked again once, then the target fails over"
    )
  ],
  4: [
    inFaults(
      "Tls.test.ts",
      "whose certificate is %s is connected to once, fails over, and the operator is told (%s)",
      "alone is an error that names what is wrong with its certificate, and is not tried again"
    ),
    inFaults("BelowHttp.test.ts", "a handshake that is reset is tried again once, then fails over")
  ],
  19: [inFaults("Bounds.test.ts", "ends though its upstream says no more (%s), and we close the socket")],
  26: [{
    file: "test/providers/Sse.property.test.ts",
    tests: ["gives the same events for any split of any text, and those of a plain reading"]
  }],
  29: [inFaults("Bounds.test.ts", crowd)],
  36: [{
    file: "test/providers/protocols/GeminiGenerate.test.ts",
    tests: ["to a prompt that was blocked is empty and filtered"]
  }],
  40: [inFlow("Keys.test.ts", "an exhausted quota is never asked of the same key again, and none left is ours to say")],
  41: [inFaults(
    "Weather.test.ts",
    "of 1,000 callers at once brings back no more than the budget, spread over at least half of the jitter"
  )],
  43: [
    inFaults("Gateway.test.ts", "and retries hide a target that fails half of its requests"),
    inFaults(
      "Weather.test.ts",
      "of 30 % on both targets leaves 99.9 % of the requests whole",
      "of 50 % on one target leaves every request whole while the other is well",
      "of 50 % on both targets leaves 99 % whole where a circuit opens at nine failures in ten"
    )
  ],
  44: [inFaults(
    "Weather.test.ts",
    "of half of the calls costs nobody more than the limit and an answer elsewhere",
    "of half of the calls opens the circuit where half is too many, and the traffic moves",
    "of nine calls in ten opens the circuit by default"
  )],
  45: [inFaults(
    "Weather.test.ts",
    "once a minute never reaches the caller, and is back within 16 s of each recovery",
    "every five seconds never reaches the caller, and is left alone for longer and longer, but for one probe"
  )],
  46: [inFaults("Weather.test.ts", "for ten minutes is probed about once in 7 to 15 s, and is back within 16 s")],
  47: [
    inFaults("Gateway.test.ts", "that is open on every target refuses with a pause and sends nothing"),
    inFaults("Weather.test.ts", "like every other is asked no more than 1.1 times a request, and then refuses at once")
  ],
  48: [inFlow("Suitability.test.ts", "goes on to the next target that is known to be larger, past those that are not")],
  50: [inFaults("Weather.test.ts", "and refuses a thousand requests in a row is asked every one of them")],
  51: [
    inResilience(
      "CircuitBreaker.test.ts",
      "an ignored probe frees the slot at once",
      "a probe that never comes back counts as failed when its lease ends, and its late answer as nothing"
    ),
    inFaults("Weather.test.ts", "again but answers its probe with a refusal is asked again at once")
  ],
  52: [inResilience(
    "CircuitBreaker.test.ts",
    "a success from before the trip does not close a half-open circuit"
  )],
  53: [
    inWire(
      "Disconnect.test.ts",
      "$phase closes the upstream's socket",
      "in the queue of a busy target is never sent upstream",
      "while the gateway waits to try again ends the request there"
    ),
    inWire("Leavers.test.ts", "in the phase \\\"%s\\\" leave no socket, no permit and no fiber")
  ],
  54: [inWire(
    "Connection.test.ts",
    "whose caller stops reading stops the upstream, and takes nothing from the others"
  )],
  55: [inFaults("Bounds.test.ts", crowd)],
  58: [
    inFaults(
      "Renewal.test.ts",
      "is renewed once, and the request goes on with the new one",
      "under forty callers is renewed once for all of them, and none is refused",
      "and whose successor is rejected too is not renewed again: the next target answers"
    ),
    inResilience("Credential.test.ts", "is refreshed once where it can be, and dead if that does not help")
  ],
  59: [
    inResilience("BreakerMachine.property.test.ts", "a clock set back lengthens no wait"),
    inResilience("SlidingWindow.test.ts", "a clock that is set back restarts the slot and keeps the counts")
  ],
  60: [
    inWire("Drain.test.ts", "lets a hundred open streams run to their end, then exits with 0"),
    {
      file: "test/cli/Serve.test.ts",
      tests: ["is not ready at once, but still serves while it is being taken out of rotation"]
    }
  ],
  61: [inFaults("Blocked.test.ts", "is alive again at once, and cuts no stream for the time it lost")],
  62: [inFaults(
    "Tls.test.ts",
    "is offered HTTP/1.1 and nothing else",
    "and HTTP/1.1 is spoken to in that, so it has no GOAWAY and no stream to refuse",
    "alone fails over at once, and says so where it is the only one",
    "alone and without TLS is one whose answer is no HTTP, and fails over"
  )]
}
