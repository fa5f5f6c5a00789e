/** Where each of the 63 rows of the fault table is held to, besides the rows of `scenarios.ts` that name it. */

/** Row → the test files that play it. */
export const playedIn: Readonly<Record<number, ReadonlyArray<string>>> = {
  1: ["test/faults/Gateway.test.ts"],
  2: ["test/faults/Gateway.test.ts"],
  3: ["test/faults/BelowHttp.test.ts"],
  4: ["test/faults/BelowHttp.test.ts"],
  26: ["test/providers/Sse.property.test.ts"],
  41: ["test/faults/Weather.test.ts"],
  43: ["test/faults/Gateway.test.ts", "test/faults/Weather.test.ts"],
  44: ["test/faults/Weather.test.ts"],
  45: ["test/faults/Weather.test.ts"],
  46: ["test/faults/Weather.test.ts"],
  47: ["test/faults/Gateway.test.ts", "test/faults/Weather.test.ts"],
  50: ["test/faults/Weather.test.ts"],
  51: ["test/resilience/CircuitBreaker.test.ts", "test/faults/Weather.test.ts"],
  52: ["test/resilience/CircuitBreaker.test.ts"],
  53: ["test/wire/Disconnect.test.ts"],
  54: ["test/wire/Connection.test.ts"],
  59: ["test/resilience/BreakerMachine.property.test.ts", "test/resilience/SlidingWindow.test.ts"],
  60: ["test/wire/Drain.test.ts"]
}

/** Row → why nothing plays it, or why only part of it is played. */
export const unplayed: Readonly<Record<number, string>> = {
  3: "EAI_AGAIN needs a name server that fails in passing",
  4: "expired and wrong-host certificates are not told apart from one that nobody vouches for",
  43: "with breakers on, half of the calls failing on both targets opens both circuits",
  49: "the splice of a resumed stream is not in these rows yet",
  58: "credentials are not renewed yet",
  61: "no way yet to block the loop of the server from outside",
  62: "upstreams are spoken to in HTTP/1.1 alone"
}
