/** Reads a Dockerfile into stages of instructions; knows comments, continued lines and exec form, no heredocs. */

export interface Instruction {
  readonly name: string
  /** Everything after the name, continued lines joined. */
  readonly text: string
}

export interface Stage {
  readonly image: string
  readonly name: string | undefined
  readonly instructions: ReadonlyArray<Instruction>
}

export const instructionsOf = (source: string): ReadonlyArray<Instruction> =>
  source.replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n\s*/g, "").split("\n")
    .map((line) => /^\s*(\w+)\s+(.*)$/.exec(line))
    .flatMap((found) => found === null ? [] : [{ name: (found[1] ?? "").toUpperCase(), text: (found[2] ?? "").trim() }])

export const stagesOf = (source: string): ReadonlyArray<Stage> => {
  const stages: Array<{ image: string; name: string | undefined; instructions: Array<Instruction> }> = []
  for (const instruction of instructionsOf(source)) {
    if (instruction.name === "FROM") {
      const [image = "", , name] = instruction.text.split(/\s+/)
      stages.push({ image, name, instructions: [] })
    } else {
      stages.at(-1)?.instructions.push(instruction)
    }
  }
  return stages
}

/** The texts of all instructions of that name. */
export const textsOf = (stage: Stage, name: string): ReadonlyArray<string> =>
  stage.instructions.filter((instruction) => instruction.name === name).map((instruction) => instruction.text)

/** The words of an exec-form command; throws for shell form. */
export const execForm = (text: string): ReadonlyArray<string> => {
  const words: unknown = JSON.parse(text)
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string")) {
    throw new Error(`not exec form: ${text}`)
  }
  return words
}
