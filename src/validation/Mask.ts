/**
 * Replaces what identifies a person, or opens a door, by its kind in brackets. Every pattern is linear and its matches are bounded,
 * so that a stream can be masked as it comes. Trap: a mask finds forms, not meanings; a name or an address passes.
 */

const luhn = (text: string): boolean => {
  const digits = text.replace(/\D/g, "")
  let sum = 0
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at])
    const part = at % 2 === 0 ? digit : 2 * digit
    sum += part > 9 ? part - 9 : part
  }
  return sum % 10 === 0
}

/** ISO 7064, mod 97-10. */
const isIban = (text: string): boolean => {
  const bare = text.replaceAll(" ", "")
  let rest = 0
  for (const letter of bare.slice(4) + bare.slice(0, 4)) {
    const value = Number.parseInt(letter, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}

interface Form {
  readonly pattern: RegExp
  /** What more than its form makes it one. */
  readonly holds?: (text: string) => boolean
}

const octet = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)"

const forms = {
  email: { pattern: /(?<![\w.%+-])[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}/g },
  key: {
    pattern:
      /(?<![\w-])(?:(?:sk|pk|rk|bw)[-_][\w-]{16,200}|AKIA[0-9A-Z]{16}|AIza[\w-]{35}|gh[pousr]_\w{36,200}|xox[abprs]-[\w-]{10,200}|eyJ[\w-]{8,200}\.eyJ[\w-]{8,200}\.[\w-]{8,100})/g
  },
  iban: { pattern: /(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)/g, holds: isIban },
  card: { pattern: /(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])/g, holds: luhn },
  ssn: { pattern: /(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])/g },
  phone: { pattern: /(?<![\w+])\+\d(?:[ .()-]{0,2}\d){6,14}(?!\w)/g },
  ip: { pattern: new RegExp(`(?<![\\w.])${octet}(?:\\.${octet}){3}(?![\\w.])`, "g") }
} as const satisfies Readonly<Record<string, Form>>

export type MaskKind = keyof typeof forms

/** In the order in which they are looked for: what is found first is gone for the next. */
export const maskKinds = ["email", "key", "iban", "card", "ssn", "phone", "ip"] as const satisfies ReadonlyArray<
  MaskKind
>

/** The text with every match of these kinds replaced, such as `[email]`. */
export const maskText = (text: string, kinds: ReadonlyArray<MaskKind>): string => {
  let masked = text
  for (const kind of kinds) {
    const { holds, pattern }: Form = forms[kind]
    masked = masked.replace(pattern, (found) => holds === undefined || holds(found) ? `[${kind}]` : found)
  }
  return masked
}

/** Longer runs than this are given out in pieces. */
const longestHeld = 1024

/** The longest match that has blanks in it is shorter than this. */
const longestGroups = 64

/** Where the part of a text begins that more text could still make a match of: its last word, or groups with blanks between. */
const openFrom = (text: string): number => {
  for (let at = text.length; at > 0; at--) {
    const blank = text.charAt(at - 1)
    if (!/\s/.test(blank)) continue
    // Cards, phones and accounts are written in groups.
    const isGroup = blank === " " && /[\dA-Z().-]/.test(text.charAt(at - 2)) && /^$|[\dA-Z(.-]/.test(text.charAt(at))
    if (!isGroup) return at
  }
  return 0
}

/** The same place, or the beginning of the match that it would cut in two. */
const outsideMatches = (text: string, at: number, kinds: ReadonlyArray<MaskKind>): number => {
  let cut = at
  for (const kind of kinds) {
    for (const { 0: found, index } of text.matchAll(forms[kind].pattern)) {
      if (index < cut && index + found.length > cut) cut = index
    }
  }
  return cut
}

/** Masks a text that comes in pieces; what could still become part of a match is held back. */
export const maskStream = (kinds: ReadonlyArray<MaskKind>) => {
  let held = ""
  return {
    push: (text: string): string => {
      held += text
      const open = openFrom(held)
      const at = held.length - open < longestHeld ? open : outsideMatches(held, held.length - 4 * longestGroups, kinds)
      const out = maskText(held.slice(0, at), kinds)
      held = held.slice(at)
      return out
    },
    end: (): string => {
      const out = maskText(held, kinds)
      held = ""
      return out
    }
  }
}
