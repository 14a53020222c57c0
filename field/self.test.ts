import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createServer } from 'flotilla'

test('a field test finds the built package by its name', () => {
  assert.equal(typeof createServer, 'function')
})
