import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silent } from '../../src/logger.ts'
import { CloseContext, OpenContext, type MessageContext } from '../../src/modules/contexts.ts'
import {
  MessageMapping,
  OnClose,
  OnHandshake,
  OnMessage,
  OnOpen,
  WsController,
  WsModule,
} from '../../src/modules/decorators.ts'
import { Client, compile, handshake, noCluster } from './harness.ts'

const services = { cluster: noCluster, log: silent }

class Log {
  readonly lines: string[] = []
}

@WsController('room', { middleware: [async (_, next) => `<${String(await next())}>`] })
class RoomController {
  readonly #name = 'room'

  @MessageMapping('say')
  say({ data }: MessageContext) {
    return `${this.#name} ${String(data)}`
  }

  @MessageMapping('a')
  @MessageMapping('b', { middleware: [() => 'never'] })
  both() {
    return 'both'
  }
}

@WsController('')
class BareController {
  @MessageMapping('bare') bare() {
    return 'bare'
  }
}

@WsModule('/room/:room', { controllers: [RoomController, new BareController()], concurrency: 2 })
class Room extends Log {
  @OnHandshake() handshake() {
    return new Response(null, { status: 401 })
  }
  @OnOpen() opened() {
    this.lines.push('open')
  }
  @OnClose() closed(ctx: CloseContext) {
    this.lines.push(`close ${ctx.code}`)
  }
}

test('the server finds the hooks and commands of decorated classes', async () => {
  const room = new Room()
  const { module, failures } = compile(room)
  const client = new Client({ room: 'red' })
  assert.equal(module.path, '/room/:room')
  assert.equal(module.concurrency, 2)
  assert.equal((await module.handshake(handshake()))?.status, 401)
  await module.open(new OpenContext(client.connection, services))
  await module.close(new CloseContext(client.connection, services, 1000, ''))
  assert.deepEqual(room.lines, ['open', 'close 1000'])
  assert.deepEqual(await client.ask(module, { cmd: 'room.say', data: 'hi' }), [{ cmd: 'room.say', data: '<room hi>' }])
  assert.deepEqual(await client.ask(module, { cmd: 'bare' }), [{ cmd: 'bare', data: 'bare' }])
  assert.deepEqual(await client.ask(module, { cmd: 'room.a' }), [{ cmd: 'room.a', data: '<both>' }])
  assert.deepEqual(await client.ask(module, { cmd: 'room.b' }), [{ cmd: 'room.b', data: '<never>' }])
  assert.deepEqual(failures, [])
})

test('resolve creates the instance of each class, once', () => {
  const made: unknown[] = []
  const resolve = (type: new (...args: never[]) => object): object => {
    made.push(type)
    return new type()
  }
  compile(Room, { resolve })
  assert.deepEqual(made, [Room, RoomController])
})

test('a promise that resolve returns is refused', () => {
  assert.throws(() => compile(Room, { resolve: async () => ({}) }), {
    code: 'FLT_BAD_MODULE',
    message: /not a promise/,
  })
})

@WsModule('/base')
class Base extends Log {
  @OnOpen() opened() {
    this.lines.push('base')
  }
  @OnMessage() said() {
    return 'base'
  }
}

test('a class that extends a module inherits its path and hooks, and its overrides are called', async () => {
  class Derived extends Base {
    override opened() {
      this.lines.push('derived')
    }
  }
  const derived = new Derived()
  const { module } = compile(derived)
  const client = new Client()
  await module.open(new OpenContext(client.connection, services))
  await module.message(client.connection, 'x')
  assert.equal(module.path, '/base')
  assert.deepEqual(derived.lines, ['derived'])
  assert.deepEqual(client.received(), ['base'])
})

test('a subclass may decorate its override again, and have its own path', async () => {
  @WsModule('/again')
  class Again extends Base {
    @OnOpen() override opened() {
      this.lines.push('again')
    }
  }
  const again = new Again()
  const { module } = compile(again)
  await module.open(new OpenContext(new Client().connection, services))
  assert.equal(module.path, '/again')
  assert.deepEqual(again.lines, ['again'])
})

const shout = (method: () => string) =>
  function (this: unknown): string {
    return method.call(this).toUpperCase()
  }

test('if another decorator wraps a hook, the wrapper is called', async () => {
  @WsModule('/wrapped')
  class Wrapped {
    @shout @OnMessage() outside() {
      return 'hi'
    }
  }
  @WsModule('/wrapped2')
  class Inside {
    @OnMessage() @shout inside() {
      return 'hi'
    }
  }
  const client = new Client()
  for (const module of compile([Wrapped, Inside]).modules) await module.message(client.connection, 'x')
  assert.deepEqual(client.received(), ['HI', 'HI'])
})

test('instances of one class do not share their state', async () => {
  @WsModule('/count')
  class Count extends Log {
    @OnOpen() opened() {
      this.lines.push('open')
    }
  }
  const [one, two] = [new Count(), new Count()]
  const { module } = compile(one)
  await module.open(new OpenContext(new Client().connection, services))
  assert.deepEqual([one.lines, two.lines], [['open'], []])
})

// ---- decorated classes that are refused

const bad = (message: RegExp): { code: string; message: RegExp } => ({ code: 'FLT_BAD_MODULE', message })

test('refuses two hooks of one kind', () => {
  @WsModule('/x')
  class Two extends Base {
    @OnOpen() another() {}
  }
  assert.throws(() => compile(Two), bad(/two open hooks, 'opened' and 'another'/))
})

test('refuses @OnMessage together with controllers', () => {
  @WsModule('/x', { controllers: [BareController] })
  class Mixed {
    @OnMessage() said() {}
  }
  assert.throws(() => compile(Mixed), bad(/keep one of them/))
})

test('refuses two handlers of one command', () => {
  @WsController('room')
  class Other {
    @MessageMapping('say') speak() {}
  }
  @WsModule('/x', { controllers: [RoomController, Other] })
  class Twice extends Log {}
  assert.throws(() => compile(Twice), bad(/two handlers for the command 'room.say'/))
})

test('refuses a controller without @WsController, and hooks in one', () => {
  class Bare extends Log {}
  @WsController('x')
  class Hooked {
    @OnOpen() opened() {}
  }
  @WsModule('/x', { controllers: [Bare] })
  class A extends Log {}
  @WsModule('/x', { controllers: [Hooked] })
  class B extends Log {}
  assert.throws(() => compile(A), bad(/the controller Bare without @WsController/))
  assert.throws(() => compile(B), bad(/the controller Hooked with the hook 'opened'/))
})

test('refuses static and private methods as hooks', () => {
  assert.throws(
    () => {
      class Static extends Log {
        @OnOpen() static opened() {}
      }
      return Static
    },
    bad(/@OnOpen cannot decorate 'opened', because it is static/),
  )
  assert.throws(
    () => {
      class Private {
        @OnClose() #closed() {}
        use = () => this.#closed()
      }
      return Private
    },
    bad(/@OnClose cannot decorate '#closed', because it is private/),
  )
})

test('refuses a decorator without parentheses and a command without a name', () => {
  const decorate = OnOpen as unknown as (value: unknown, context: unknown) => unknown
  assert.throws(() => decorate(() => {}, { kind: 'method' }), bad(/@OnOpen needs its parentheses/))
  @WsController('x')
  class Nameless {
    @MessageMapping(undefined as never) said() {}
  }
  @WsModule('/x', { controllers: [Nameless] })
  class A extends Log {}
  assert.throws(() => compile(A), bad(/without a command at 'said'/))
})
