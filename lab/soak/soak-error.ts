/** What ends a soak with a sentence rather than a stack. */
export class SoakError extends Error {}
