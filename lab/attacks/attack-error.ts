/** Ends `npm run attacks` with a sentence instead of a stack. */
export class AttackError extends Error {}
