export type StoreKind = 'single' | 'sentinel' | 'cluster'

export const storeKinds: readonly StoreKind[] = ['single', 'sentinel', 'cluster']
