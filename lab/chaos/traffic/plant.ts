/** Bugs that the checker must find: they happen to what a client has received. */
export type PlantedBug = 'drop' | 'swap' | 'neighbour'

export const plants: readonly PlantedBug[] = ['drop', 'swap', 'neighbour']
