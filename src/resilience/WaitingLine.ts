/** Who waits: first come, first served within a class, and every class behind those that matter more. */
import { priorities, type Priority } from "../domain/Priority.ts"

export interface WaitingLine<A> {
  readonly join: (priority: Priority, one: A) => void
  readonly leave: (priority: Priority, one: A) => void
  /** Takes the one whose turn it is out of the line. */
  readonly next: () => A | undefined
  /** Takes out the last who came of the least class below this one, or of the least of all, to make room. */
  readonly yieldTo: (priority?: Priority) => A | undefined
  readonly size: () => number
}

export const make = <A>(): WaitingLine<A> => {
  const classes: Readonly<Record<Priority, Set<A>>> = {
    critical: new Set(),
    normal: new Set(),
    "best-effort": new Set(),
    batch: new Set()
  }
  let size = 0
  const leave = (priority: Priority, one: A): void => {
    if (classes[priority].delete(one)) size--
  }
  return {
    join: (priority, one) => {
      classes[priority].add(one)
      size++
    },
    leave,
    next: () => {
      for (const priority of priorities) {
        for (const one of classes[priority]) {
          leave(priority, one)
          return one
        }
      }
      return undefined
    },
    yieldTo: (than) => {
      const most = than === undefined ? -1 : priorities.indexOf(than)
      for (let at = priorities.length - 1; at > most; at--) {
        const priority = priorities[at]
        const last = priority === undefined ? undefined : [...classes[priority]].at(-1)
        if (priority === undefined || last === undefined) continue
        leave(priority, last)
        return last
      }
      return undefined
    },
    size: () => size
  }
}
