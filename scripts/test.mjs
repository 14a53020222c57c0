// npm test: installs and builds what is missing, then runs every test, or those that the arguments after `--` name.
import { packagesOfTests, provideDebianPackages } from './debian-packages.mjs'
import { prepare } from './prepare.mjs'
import { runTests } from './run-tests.mjs'

prepare()
provideDebianPackages('npm test', packagesOfTests)
const args = process.argv.slice(2)
process.exit(await runTests({ folder: 'test', concurrency: 6, timeout: 1_200_000, args }))
