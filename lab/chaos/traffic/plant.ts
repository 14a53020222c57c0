/** Bugs that the checker must find. They falsify what a client has received. */
export type PlantedBug = 'drop' | 'swap' | 'neighbour'

export const plants: readonly PlantedBug[] = ['drop', 'swap', 'neighbour']
