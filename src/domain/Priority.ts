/** How much a request matters beside the others, as its caller says: who goes first when not all can be served. */

/** From the last to be turned away to the first. */
export const priorities = ["critical", "normal", "best-effort", "batch"] as const

export type Priority = (typeof priorities)[number]

/** What a request is that says nothing. */
export const defaultPriority: Priority = "normal"

/** The class of that name, or undefined. */
export const priorityNamed = (name: string): Priority | undefined => priorities.find((known) => known === name)
