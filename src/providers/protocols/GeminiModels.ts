/** What follows from a Gemini model's name, wherever it is served. */

/** The number in a model's name; one without any, such as `gemini-flash-latest`, is taken for the newest, and another's is 0. */
export const generationOf = (model: string): number =>
  Number(/gemini-(\d+(?:\.\d+)?)/i.exec(model)?.[1] ?? (/gemini/i.test(model) ? Number.POSITIVE_INFINITY : 0))

/** Gemini from this generation on refuses a call without a signature, where earlier models only think worse. */
export const signingGeneration = 3

/** Google's own word for a call that its model did not make, such as one of another provider's. */
export const foreignSignature = "skip_thought_signature_validator"
