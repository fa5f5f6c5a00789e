/** How a wrong command line is told: what is wrong and where help is, on stderr. The help itself is shown to who asks for it. */
import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"

/** In the place of Effect's own, which prints all of the help before the mistake. */
export const layer = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
        [...event.errors.map(({ message }) => message), `${event.commandPath.join(" ")} --help says what there is`]
          .join(
            "\n"
          )
      )
      : CliOutput.defaultPresenter.present(event)
})
