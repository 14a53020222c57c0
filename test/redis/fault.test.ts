import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultOf } from '../../src/drivers/redis/connection/fault.ts'

const faultIn = (code: string) => faultOf(Object.assign(new Error('broken'), { code }))

test('an alert of TLS is understood as every version of OpenSSL names it', () => {
  for (const alert of ['HANDSHAKE_FAILURE', 'BAD_CERTIFICATE', 'CERTIFICATE_EXPIRED', 'CERTIFICATE_REVOKED']) {
    const [old, renamed] = [`ERR_SSL_SSLV3_ALERT_${alert}`, `ERR_SSL_SSL/TLS_ALERT_${alert}`].map(faultIn)
    assert.match(String(old?.advice), /tls\.cert/, alert)
    assert.equal(old?.lasts, true, alert)
    assert.deepEqual(renamed, old)
  }
  assert.match(String(faultIn('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')?.advice), /give tls\.cert and tls\.key/)
  assert.match(
    String(faultIn('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA')?.advice),
    /does not accept the certificate in tls\.cert/,
  )
  assert.match(String(faultIn('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')?.advice), /the versions of TLS/)
})

test('a TLS connection that breaks off is made again, because nothing need be configured wrong', () => {
  for (const code of ['ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', 'ERR_SSL_SSL/TLS_ALERT_BAD_RECORD_MAC'])
    assert.equal(faultIn(code)?.lasts, undefined, code)
})
