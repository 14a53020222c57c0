import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { type Copy, DockerfileParser, type Env, type From, type Instruction } from 'dockerfile-ast'

const run = promisify(execFile)

interface Stage {
  readonly folder: string
  readonly env: Record<string, string>
  workdir: string
}

/**
 * What a Dockerfile makes, without Docker: each stage is a folder, in which the file's own steps ran with the Node.js of
 * this machine. That shows whether the steps work and whether the image has all it needs, but nothing of its base.
 */
export class DockerImage {
  readonly #root: string
  readonly #stages = new Map<string, Stage>()
  #stage!: Stage
  #entrypoint: string[] = []
  #healthcheck: string[] = []
  #user = 'root'
  #stopSignal = ''

  private constructor(root: string) {
    this.#root = root
  }

  static async build(file: string, context: string): Promise<DockerImage> {
    const root = await mkdtemp(join(tmpdir(), 'flotilla-image-'))
    // Anybody may enter it, because the image does not run as root.
    await chmod(root, 0o755)
    const image = new DockerImage(root)
    const ignored = (await readFile(`${file}.dockerignore`, 'utf8')).split('\n')
    for (const instruction of DockerfileParser.parse(await readFile(file, 'utf8')).getInstructions()) {
      await image.#do(instruction, context, ignored)
    }
    return image
  }

  get folder(): string {
    return join(this.#stage.folder, this.#stage.workdir)
  }

  get env(): NodeJS.ProcessEnv {
    return { PATH: process.env['PATH'], HOME: process.env['HOME'], ...this.#stage.env }
  }

  get entrypoint(): readonly string[] {
    return this.#entrypoint
  }

  get healthcheck(): readonly string[] {
    return this.#healthcheck
  }

  get user(): string {
    return this.#user
  }

  get stopSignal(): string {
    return this.#stopSignal
  }

  async remove(): Promise<void> {
    await rm(this.#root, { recursive: true, force: true })
  }

  async #do(instruction: Instruction, context: string, ignored: readonly string[]): Promise<void> {
    switch (instruction.getKeyword()) {
      case 'FROM':
        return this.#from(instruction as From)
      case 'WORKDIR':
        this.#stage.workdir = instruction.getArgumentsContent() ?? '/'
        await mkdir(this.folder, { recursive: true })
        return
      case 'ENV':
        for (const property of (instruction as Env).getProperties()) {
          this.#stage.env[property.getName()] = property.getValue() ?? ''
        }
        return
      case 'COPY':
        return this.#copy(instruction as Copy, context, ignored)
      case 'RUN':
        await run('sh', ['-ec', instruction.getArgumentsContent() ?? ''], { cwd: this.folder, env: this.env })
        return
      case 'ENTRYPOINT':
        this.#entrypoint = stringsOf(instruction)
        return
      case 'HEALTHCHECK':
        this.#healthcheck = stringsOf(instruction)
        return
      case 'USER':
        this.#user = instruction.getArgumentsContent() ?? ''
        return
      case 'STOPSIGNAL':
        this.#stopSignal = instruction.getArgumentsContent() ?? ''
        return
      case 'EXPOSE':
        return
      default:
        throw new Error(`${instruction.getKeyword()} is not known here`)
    }
  }

  async #from(instruction: From): Promise<void> {
    const folder = join(this.#root, String(this.#stages.size))
    await mkdir(folder)
    this.#stage = { folder, env: {}, workdir: '/' }
    this.#stages.set(instruction.getBuildStage() ?? '', this.#stage)
  }

  async #copy(instruction: Copy, context: string, ignored: readonly string[]): Promise<void> {
    const from = instruction.getFromFlag()?.getValue()
    const paths = instruction.getArguments().map((argument) => argument.getValue())
    const target = join(this.folder, paths.pop() ?? '')
    for (const path of paths) {
      if (from === undefined && !ignored.includes(`!${path}`)) throw new Error(`.dockerignore leaves out ${path}`)
      const source = from === undefined ? join(context, path) : join(this.#stages.get(from ?? '')!.folder, path)
      await cp(source, paths.length > 1 ? join(target, basename(path)) : target, { recursive: true })
    }
  }
}

/** `["node", "cli.js"]`, perhaps behind flags and a word: each Dockerfile here has its commands in this form. */
function stringsOf(instruction: Instruction): string[] {
  const content = instruction.getArgumentsContent() ?? ''
  return JSON.parse(content.slice(content.indexOf('['))) as string[]
}
