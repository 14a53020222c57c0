/**
 * The type of a method, for a property that may also be `undefined`. TypeScript is stricter with plain function types:
 * it would refuse a hook whose parameter has a narrower type, as the hooks of frameworks have.
 */
export type Method<Parameters extends unknown[], Result> = { call(...args: Parameters): Result }['call']
