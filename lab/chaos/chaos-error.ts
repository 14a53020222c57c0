/** What whoever started a run can mend. */
export class ChaosError extends Error {}
