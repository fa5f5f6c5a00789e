/** How a command ends: its exit code, and the runner that honours it (Effect's own answers a signal with 130, we with 0). */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"

/** Ends the process with this code; whatever had to be said has been said. */
export class ExitWith extends Data.TaggedError("ExitWith")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode] = this.code
  override readonly [Runtime.errorReported] = false
}

const run = Runtime.makeRunMain(({ fiber, teardown }) => {
  fiber.addObserver((exit) => teardown(exit, (code) => process.exit(code)))
})

/** Runs a command as the process. Signals are the command's own business; a failure nobody told of is written to stderr. */
export const runMain = run({
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      const failure = Cause.squash(exit.cause)
      const isTold = failure instanceof ExitWith // ours, whatever the reader of the type thinks
        || (typeof failure === "object" && failure !== null && "_tag" in failure && failure._tag === "ShowHelp")
      if (!isTold) process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
    }
    Runtime.defaultTeardown(exit, onExit)
  }
})
