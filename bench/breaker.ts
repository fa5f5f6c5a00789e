/**
 * What a circuit breaker costs a call: ours beside `effect/persistence` CircuitBreaker, cockatiel and opossum, in one run. Each
 * is charged the difference to the same loop without it. Medians are quoted, of the rounds in which the machine ran at full speed
 * and of all: a core that is shared with strangers runs at one of two speeds, 1.7 apart, for seconds at a time.
 * `--rounds N` (default 41), `--print` writes no file.
 */
import { BrokenCircuitError, circuitBreaker, ConsecutiveBreaker, handleAll, SamplingBreaker } from "cockatiel"
import * as Effect from "effect/Effect"
import * as EffectBreaker from "effect/persistence/CircuitBreaker"
import * as Scope from "effect/Scope"
import { createRequire } from "node:module"
import { parseArgs } from "node:util"
import { setFlagsFromString } from "node:v8"
import { step } from "../src/resilience/BreakerMachine.ts"
import { initial, permitOf } from "../src/resilience/BreakerState.ts"
import * as CircuitBreaker from "../src/resilience/CircuitBreaker.ts"
import { table } from "../tools/markdown-table.ts"
import { machineLine, median, writePage } from "./Page.ts"

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "41" }, print: { type: "boolean", default: false } }
})

// As the program itself starts; see main.ts.
setFlagsFromString("--no-allocation-site-pretenuring")

interface Opossum {
  fire: () => Promise<number>
  open: () => void
  shutdown: () => void
}
const require = createRequire(import.meta.url)
// It has no types of its own; this is what is used of it.
const Opossum = require("opossum") as new(
  work: () => Promise<number>,
  options: Readonly<Record<string, unknown>>
) => Opossum

/** Does `calls` calls and answers the nanoseconds of one. */
type Loop = () => Promise<number>

const calls = 20_000
/** A step alone is so short that fewer would be lost in the clock's own noise. */
const steps = 500_000

/** CPU time of the whole process, collector included: a busy neighbour costs wall time first. */
const timed = async (work: () => unknown, times = calls): Promise<number> => {
  const start = process.cpuUsage()
  await work()
  const { system, user } = process.cpuUsage(start)
  return (user + system) * 1000 / times
}

/** The same effect again and again in one fiber. */
const inFiber = <A, E>(effect: Effect.Effect<A, E>): Loop => {
  const run = Effect.suspend(() => {
    let left = calls
    return Effect.whileLoop({ while: () => left > 0, body: () => effect, step: () => void (left -= 1) })
  })
  return () => timed(() => Effect.runPromise(run))
}

const fibers = 1000

/** The same calls by a thousand fibers, each of which yields between its calls. */
const inFibers = <A, E>(effect: Effect.Effect<A, E>): Loop => {
  const each = Effect.suspend(() => {
    let left = calls / fibers
    return Effect.whileLoop({
      while: () => left > 0,
      body: () => Effect.andThen(effect, Effect.yieldNow),
      step: () => void (left -= 1)
    })
  })
  const all = Effect.forEach(Array.from({ length: fibers }), () => each, { concurrency: "unbounded", discard: true })
  return () => timed(() => Effect.runPromise(all))
}

const awaited = (call: () => Promise<unknown>): Loop => () =>
  timed(async () => {
    for (let left = calls; left > 0; left--) await call()
  })

const plain = (call: (at: number) => unknown): Loop => {
  let sink: unknown
  return () =>
    timed(() => {
      for (let at = 0; at < steps; at++) sink = call(at)
      return sink === undefined ? 1 : 0
    }, steps)
}

interface Candidate {
  readonly name: string
  readonly loop: Loop
  /** What is taken off: the same loop without a breaker. */
  readonly floor: string
  readonly budgetNs?: number
}

const bare = Effect.succeed(1)
const wrong = Effect.die("not what this loop measures")
const success: CircuitBreaker.Outcome = { _tag: "Success" }

/** The machine of `breaker` without its Ref, clock and fiber: a closed circuit, as almost always. */
const pureSteps = (where: string, budgetNs?: number): ReadonlyArray<Candidate> => {
  const settings = CircuitBreaker.fromInput({})
  const closed = initial(0)
  let state = closed
  const admit = { _tag: "Admit", nowMs: 1, jitter: 0, leaseMs: undefined } as const
  const record = { _tag: "Record", nowMs: 1, jitter: 0, permit: permitOf(0), outcome: success, isLate: false } as const
  const target = budgetNs === undefined ? {} : { budgetNs }
  return [
    {
      name: `breakwater, pure step: Admit, ${where}`,
      loop: plain(() => step(settings, closed, admit)),
      floor: "plain",
      ...target
    },
    {
      name: `breakwater, pure step: Record of a success, ${where}`,
      loop: plain(() => {
        state = step(settings, state, record).state
        return state
      }),
      floor: "plain",
      ...target
    }
  ]
}

const ours = async (): Promise<ReadonlyArray<Candidate>> => {
  const settings = CircuitBreaker.fromInput({})
  const breaker = await Effect.runPromise(CircuitBreaker.make(settings))
  const admitted = Effect.flatMap(
    breaker.admit(),
    (decision) => decision._tag === "Permit" ? Effect.flatMap(bare, () => breaker.record(decision, success)) : wrong
  )
  const refusedBy = (one: CircuitBreaker.CircuitBreaker) =>
    Effect.flatMap(one.admit(), (decision) => decision._tag === "Permit" ? wrong : bare)
  const shut = await Effect.runPromise(CircuitBreaker.make(settings))
  await Effect.runPromise(shut.control({ _tag: "ForceOpen" }))
  const rejected = refusedBy(shut)
  const tripped = await Effect.runPromise(CircuitBreaker.make(CircuitBreaker.fromInput({ openFor: 1e9, openMax: 1e9 })))
  for (let failures = 0; failures < settings.consecutiveFailures; failures++) {
    await Effect.runPromise(Effect.flatMap(
      tripped.admit(),
      (decision) => decision._tag === "Permit" ? tripped.record(decision, { _tag: "Failure" }) : wrong
    ))
  }
  const refused = refusedBy(tripped)
  return [
    { name: "breakwater, admitted: admit + record", loop: inFiber(admitted), floor: "fiber", budgetNs: 1000 },
    { name: "breakwater, admitted, 1,000 fibers", loop: inFibers(admitted), floor: "fibers", budgetNs: 1000 },
    { name: "breakwater, rejected while open", loop: inFiber(refused), floor: "fiber", budgetNs: 500 },
    { name: "breakwater, rejected while forced open", loop: inFiber(rejected), floor: "fiber", budgetNs: 500 }
  ]
}

const effects = async (): Promise<ReadonlyArray<Candidate>> => {
  const made = (policy: EffectBreaker.TripPolicy) =>
    Effect.runPromise(
      EffectBreaker.make({ tripPolicy: policy, openDuration: "1 hour" }).pipe(
        Effect.provide(EffectBreaker.layerStoreMemory()),
        Effect.provideService(Scope.Scope, Scope.makeUnsafe())
      )
    )
  const [consecutive, rate] = await Promise.all([
    made(EffectBreaker.consecutive(5)),
    made(EffectBreaker.rate({ size: 100 }))
  ])
  const open = await made(EffectBreaker.consecutive(1))
  await Effect.runPromiseExit(open.execute(Effect.fail("no"), { key: "bench" }))
  const rejected = Effect.matchEffect(open.execute(bare, { key: "bench" }), {
    onFailure: () => bare,
    onSuccess: () => Effect.die("admitted")
  })
  return [
    {
      name: "effect/persistence, admitted, consecutive(5)",
      loop: inFiber(consecutive.execute(bare, { key: "bench" })),
      floor: "fiber"
    },
    {
      name: "effect/persistence, admitted, rate(100)",
      loop: inFiber(rate.execute(bare, { key: "bench" })),
      floor: "fiber"
    },
    { name: "effect/persistence, rejected", loop: inFiber(rejected), floor: "fiber" }
  ]
}

const work = async (): Promise<number> => 1
const refusal = (error: unknown): void => {
  if (!(error instanceof BrokenCircuitError)) throw error
}

const cockatiels = async (): Promise<ReadonlyArray<Candidate>> => {
  const options = { halfOpenAfter: 3_600_000 }
  const consecutive = circuitBreaker(handleAll, { ...options, breaker: new ConsecutiveBreaker(5) })
  const sampling = circuitBreaker(handleAll, {
    ...options,
    breaker: new SamplingBreaker({ threshold: 0.5, duration: 30_000, minimumRps: 1 })
  })
  const open = circuitBreaker(handleAll, { ...options, breaker: new ConsecutiveBreaker(1) })
  await open.execute(() => Promise.reject(new Error("no"))).catch(() => 0)
  return [
    {
      name: "cockatiel, admitted, consecutive(5)",
      loop: awaited(() => consecutive.execute(work)),
      floor: "promise"
    },
    { name: "cockatiel, admitted, sampling", loop: awaited(() => sampling.execute(work)), floor: "promise" },
    {
      name: "cockatiel, rejected",
      loop: awaited(() => open.execute(work).catch(refusal)),
      floor: "promise"
    }
  ]
}

const opossums = (): ReadonlyArray<Candidate> => {
  const closed = new Opossum(work, { timeout: false })
  const open = new Opossum(work, { timeout: false, resetTimeout: 3_600_000 })
  open.open()
  return [
    { name: "opossum, admitted", loop: awaited(() => closed.fire()), floor: "promise" },
    { name: "opossum, rejected", loop: awaited(() => open.fire().catch(() => 0)), floor: "promise" }
  ]
}

const floors: Readonly<Record<string, Loop>> = {
  fiber: inFiber(bare),
  fibers: inFibers(bare),
  promise: awaited(work),
  plain: plain((at) => at)
}

/** Nanoseconds of an empty turn: how fast the machine is at this moment. */
const pace = plain((at) => at)

interface Sample {
  readonly ns: number
  /** The slower pace of the moments before and after it. */
  readonly pace: number
}

const sampleOf = async (loop: Loop): Promise<Sample> => {
  const before = await pace()
  const ns = await loop()
  return { ns, pace: Math.max(before, await pace()) }
}

const rounds = Number(flags.rounds)
const warmUp = 5
const samples = new Map<string, Array<Sample>>()
const measure = async (loops: ReadonlyMap<string, Loop>): Promise<void> => {
  for (let round = -warmUp; round < rounds; round++) {
    for (const [name, loop] of round % 2 === 0 ? loops : [...loops].toReversed()) {
      const sample = await sampleOf(loop)
      const known = samples.get(name) ?? []
      if (round >= 0) samples.set(name, [...known, sample])
    }
  }
}
const loopsOf = (them: ReadonlyArray<Candidate>) => them.map(({ loop, name }) => [name, loop] as const)

// First, while the compiler has seen no other state than closed and can fold a step into its loop; and again when it has.
const alone = pureSteps("alone", 50)
await measure(new Map([["plain", plain((at) => at)], ...loopsOf(alone)]))
const rest = [...await ours(), ...pureSteps("among the rest"), ...await effects(), ...await cockatiels(), ...opossums()]
await measure(new Map([...Object.entries(floors), ...loopsOf(rest)]))
const all = [...alone, ...rest]

const paces = [...samples.values()].flat().map((sample) => sample.pace).toSorted((a, b) => a - b)
const fullSpeed = paces[Math.floor(paces.length / 10)] ?? Number.NaN
/** The two speeds are further apart than this, and the noise of one is less. */
const isUndisturbed = (sample: Sample): boolean => sample.pace <= 1.25 * fullSpeed
const nsOf = (name: string, isTaken: (sample: Sample) => boolean): number =>
  median((samples.get(name) ?? []).filter(isTaken).map(({ ns }) => ns))

const rowOf = ({ budgetNs, floor, name }: Candidate): ReadonlyArray<string> => {
  const taken = (samples.get(name) ?? []).filter(isUndisturbed).length
  const loop = nsOf(floor, isUndisturbed)
  const cost = nsOf(name, isUndisturbed) - loop
  const ofAll = nsOf(name, () => true) - nsOf(floor, () => true)
  const verdict = budgetNs === undefined ? "" : cost < budgetNs ? `< ${budgetNs}: met` : `< ${budgetNs}: **missed**`
  return [name, cost.toFixed(0), String(taken), ofAll.toFixed(0), loop.toFixed(0), verdict]
}

const date = new Date().toISOString().slice(0, 10)
writePage(`breaker-${date}.md`, flags.print, [
  `# Circuit breakers, ${date}`,
  "",
  `\`node bench/breaker.ts\`: nanoseconds of CPU a call beyond the same loop without a breaker, ${rounds} rounds of ${calls} calls (${steps} pure steps), success path`,
  "unless said. Effects run in one fiber, promises are awaited one by one. At full speed = an empty turn took at most 1.25 times the",
  `${
    fullSpeed.toFixed(1)
  } ns of the run's fastest tenth, before the sample and after it; half of all moments took more than ${
    median(paces).toFixed(1)
  } ns.`,
  "",
  machineLine(),
  "",
  table(["Breaker", "ns, at full speed", "samples", "ns, all rounds", "of the loop alone", "Target"], all.map(rowOf)),
  ""
])
process.exit(0)
