// Services of plugins, by grpc-js and over bare HTTP/2: the fixture `grpc-probe`.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { after, before } = require('node:test');
const { gzipSync } = require('node:zlib');

const {
  Server, bearer, begin, call, checkStatus, client, component, connect, finished, frame, grpc, send, test, waitUntil,
} = require('./harness.js');

const { status } = grpc;
const ECHO = 'probe.v1.Probe/Echo';
const SPIN = 'probe.v1.Probe/Spin';
const EMPTY = frame(Buffer.alloc(0));
let server;
let probe;
let session;

before(async () => {
  server = await Server.start(['grpc-probe']);
  probe = client(server, 'tests/guests/proto', 'probe/v1/probe.proto', 'probe.v1.Probe');
  session = await connect(server);
});

after(async () => {
  probe?.close();
  session?.close();
  await server?.close();
});

async function isIdle() {
  return (await server.plugin('grpc-probe')).in_flight === 0;
}

test('a plugin answers what it is sent, and sees the metadata that it asks for', async () => {
  const metadata = bearer();
  metadata.set('x-tenant', 'north');
  metadata.set('x-other', 'south');
  const payload = Buffer.alloc(1 << 19, 7);
  const answer = await call(probe, 'echo', { payload, text: 'Grüße' }, metadata);
  assert.deepEqual([answer.text, answer.metadata], ['Grüße', [{ key: 'x-tenant', value: 'north' }]]);
  assert.ok(payload.equals(answer.payload));
});

test('a plugin says what failed, and a trap says nothing of the guest', async () => {
  const fail = { code: status.FAILED_PRECONDITION, reason: 'no_luck', message: 'not today: Grüße', key: 'fail' };
  const message = await checkStatus(call(probe, 'fail', fail), status.FAILED_PRECONDITION, 'plugins/grpc-probe/no_luck');
  assert.equal(message, 'not today: Grüße');
  const trap = await checkStatus(call(probe, 'trap', { key: 'trap' }), status.INTERNAL, 'backplane/plugin_failed');
  assert.doesNotMatch(trap, /secret|panic|probe|unreachable|wasm|\.rs/i);
});

test('who calls decides', async () => {
  await checkStatus(call(probe, 'secret', {}), status.UNAUTHENTICATED, 'backplane/unauthenticated');
  await checkStatus(call(probe, 'secret', {}, bearer('bp_none')), status.UNAUTHENTICATED, 'backplane/invalid_token');
  const clerk = bearer(server.token('clerk'));
  await checkStatus(call(probe, 'secret', {}, clerk), status.PERMISSION_DENIED, 'backplane/forbidden');
  assert.notEqual((await call(probe, 'secret', {}, bearer(server.token()))).text, '');
});

test('bytes that are no message are the fault of the caller', async () => {
  const codes = async (bytes, headers) => (await send(session, ECHO, bytes, headers)).status;
  for (const message of ['\x0a\x05abc', '\x12\x01\xff', '\x0f']) {
    assert.equal(await codes(frame(Buffer.from(message, 'latin1'))), status.INVALID_ARGUMENT, message);
  }
  const text = Buffer.from('\x12\x04well', 'latin1');
  const gzip = { 'grpc-encoding': 'gzip' };
  assert.equal(await codes(frame(gzipSync(text), 1), gzip), status.OK);
  for (const [bytes, headers] of [
    [frame(text).subarray(0, -2), {}], [Buffer.alloc(0), {}], [frame(text, 2), {}], [frame(text, 1), {}],
    [frame(text, 1), gzip], [frame(gzipSync(text).subarray(0, -10), 1), gzip],
  ]) {
    assert.equal(await codes(bytes, headers), status.INVALID_ARGUMENT);
  }
  assert.equal(await codes(frame(text, 1), { 'grpc-encoding': 'snappy' }), status.UNIMPLEMENTED);
  // More than the limit, by its own word and unpacked.
  assert.equal(await codes(Buffer.from([0, 0xff, 0xff, 0xff, 0xff])), status.RESOURCE_EXHAUSTED);
  assert.equal(await codes(frame(gzipSync(Buffer.alloc(64 << 20)), 1), gzip), status.RESOURCE_EXHAUSTED);
  // What looks like gRPC and is none.
  const web = await fetch(server.url(`/${ECHO}`), { method: 'POST', headers: { 'content-type': 'application/grpc-web' }, body: EMPTY });
  assert.equal(web.status, 415);
});

test('the server keeps the deadline that a caller only names, in the guest', async () => {
  const answer = await send(session, SPIN, EMPTY, { 'grpc-timeout': '200m' });
  assert.deepEqual([answer.status, answer.reason], [status.DEADLINE_EXCEEDED, 'backplane/deadline_exceeded']);
  await waitUntil('the call to end', isIdle);
});

test('and in the queue', async () => {
  const busy = await Server.start(['grpc-probe'], '[limits]\nqueue_timeout = "20s"\n[plugin.grpc-probe]\nconcurrency = 1\n');
  try {
    const connection = await connect(busy);
    // `ms: 500`.
    const spinning = send(connection, SPIN, frame(Buffer.from('\x08\xf4\x03', 'latin1')));
    await waitUntil('the place to be taken', async () => (await busy.plugin('grpc-probe')).in_flight === 1);
    const waiting = await send(connection, ECHO, EMPTY, { 'grpc-timeout': '100m' });
    assert.deepEqual([waiting.status, waiting.reason], [status.DEADLINE_EXCEEDED, 'backplane/deadline_exceeded']);
    assert.equal((await spinning).status, status.OK);
    connection.close();
  } finally {
    await busy.close();
  }
});

test('callers that go, once they are answered or while the guest computes, leave nothing behind', async () => {
  const calls = async () => (await server.plugin('grpc-probe')).calls;
  const before = await calls();
  for (let dropped = 0; dropped < 1000; dropped += 1) {
    const stream = begin(session, ECHO);
    const end = finished(stream).catch(() => {});
    stream.once('response', () => stream.close(8));
    stream.end(EMPTY);
    await end;
  }
  assert.ok((await calls()) >= before + 1000);
  const leaving = await connect(server);
  // `ms: 500`.
  for (let spinning = 0; spinning < 20; spinning += 1) {
    begin(leaving, SPIN).end(frame(Buffer.from('\x08\xf4\x03', 'latin1')));
  }
  await waitUntil('a guest that computes', async () => !(await isIdle()));
  leaving.destroy();
  await waitUntil('the calls to end', isIdle);
  assert.equal((await send(session, ECHO, EMPTY)).status, status.OK);
  assert.doesNotMatch(server.log(), /panicked at host/);
});

test('no call fails while the plugin is replaced', async () => {
  const original = fs.readFileSync(component('grpc-probe'), 'latin1');
  let stopped = false;
  let calls = 0;
  const caller = async () => {
    for (; !stopped; calls += 1) assert.equal((await call(probe, 'echo', { text: 'well' })).text, 'well');
  };
  const callers = Promise.all(Array.from({ length: 8 }, caller));
  // A failure is told when it is waited for.
  callers.catch(() => {});
  try {
    for (let number = 1; number <= 10; number += 1) {
      // As many bytes as before: the manifest is a part of the component.
      const version = `0.${(number % 9) + 1}.0`;
      server.put('grpc-probe.wasm', Buffer.from(original.replaceAll('"version":"0.1.0"', `"version":"${version}"`), 'latin1'));
      await waitUntil(version, async () => (await server.plugin('grpc-probe')).version === version);
    }
  } finally {
    stopped = true;
  }
  await callers;
  assert.ok(calls > 10, `${calls}`);
});
