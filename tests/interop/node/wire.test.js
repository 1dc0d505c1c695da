// What no client of gRPC sends, over Node's own HTTP/2: bytes that are no message, floods, and other protocols.
'use strict';

const assert = require('node:assert/strict');
const { after, before } = require('node:test');
const { gzipSync } = require('node:zlib');

const { Server, begin, connect, finished, frame, grpc, send, test } = require('./harness.js');

const { status } = grpc;
const GET = 'backplane.v1.Plugins/Get';
const WATCH = 'backplane.v1.Plugins/Watch';
// `name: "echo"`.
const ECHO = Buffer.from('\x0a\x04echo', 'latin1');
let server;
let session;
let admin;

before(async () => {
  server = await Server.start(['echo']);
  session = await connect(server);
  admin = { authorization: `Bearer ${server.token()}` };
});

after(async () => {
  session?.close();
  await server?.close();
});

async function check(bytes, headers, code, reason) {
  const answer = await send(session, GET, bytes, { ...admin, ...headers });
  assert.deepEqual([answer.http, answer.status, answer.reason], [200, code, reason], answer.message);
}

test('a good call over bare HTTP/2 is answered', async () => {
  await check(frame(ECHO), {}, status.OK, undefined);
  await check(frame(gzipSync(ECHO), 1), { 'grpc-encoding': 'gzip' }, status.OK, undefined);
});

test('bytes that are no message are the fault of the caller', async () => {
  const bad = [status.INVALID_ARGUMENT, 'backplane/invalid_request'];
  // A field longer than the message, text that is not UTF-8, a wire type that there is not.
  for (const message of ['\x0a\x05abc', '\x0a\x01\xff', '\x0f']) {
    await check(frame(Buffer.from(message, 'latin1')), {}, ...bad);
  }
  // A message that ends early, none at all, and a flag that means nothing.
  await check(frame(ECHO).subarray(0, -2), {}, ...bad);
  await check(Buffer.alloc(0), {}, ...bad);
  await check(frame(ECHO, 2), {}, ...bad);
});

test('a compressed flag needs a body that is compressed', async () => {
  const bad = [status.INVALID_ARGUMENT, 'backplane/invalid_request'];
  const zipped = gzipSync(ECHO);
  await check(frame(ECHO, 1), { 'grpc-encoding': 'gzip' }, ...bad);
  await check(frame(zipped.subarray(0, -10), 1), { 'grpc-encoding': 'gzip' }, ...bad);
  await check(frame(zipped, 1), {}, ...bad);
  const answer = await send(session, GET, frame(ECHO, 1), { ...admin, 'grpc-encoding': 'snappy' });
  assert.deepEqual([answer.http, answer.status], [200, status.UNIMPLEMENTED]);
});

test('a message that says or unpacks to more than the limit is refused', async () => {
  const long = [status.RESOURCE_EXHAUSTED, 'backplane/payload_too_large'];
  await check(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), {}, ...long);
  const bomb = frame(gzipSync(Buffer.alloc(64 << 20)), 1);
  await check(bomb, { 'grpc-encoding': 'gzip' }, ...long);
});

test('what looks like gRPC and is none is refused with a document', async () => {
  for (const [type, code] of [
    ['application/grpc-web+proto', 415], ['application/grpc-web-text', 415], ['application/grpc', 505],
  ]) {
    const answer = await fetch(server.url(`/${GET}`), {
      method: 'POST', headers: { 'content-type': type, ...admin }, body: frame(ECHO),
    });
    const problem = await answer.json();
    assert.deepEqual([answer.status, problem.status], [code, code]);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    assert.match(problem.detail, code === 415 ? /gRPC-Web is not spoken/ : /HTTP\/2/);
  }
});

test('the server keeps the deadline that a caller only names', async () => {
  const stream = begin(session, WATCH, { ...admin, 'grpc-timeout': '300m' });
  stream.end(frame(Buffer.alloc(0)));
  const answer = await finished(stream);
  assert.deepEqual([answer.status, answer.reason ?? ''], [status.DEADLINE_EXCEEDED, 'backplane/deadline_exceeded']);
  await check(frame(ECHO), { 'grpc-timeout': 'soon' }, status.INVALID_ARGUMENT, 'backplane/invalid_request');
});

// Opens streams that are answered for ever and drops each once it has answered.
async function openAndDrop(connection, count) {
  for (let opened = 0; opened < count; opened += 1) {
    await new Promise((resolve, reject) => {
      const stream = begin(connection, WATCH, admin);
      stream.once('data', () => stream.close(8));
      stream.once('close', resolve);
      connection.once('goaway', reject);
      stream.end(frame(ECHO));
    });
  }
}

test('10,000 streams opened and dropped, ten times as many as there are places, leave nothing behind', async () => {
  const connections = await Promise.all(Array.from({ length: 20 }, () => connect(server)));
  for (const connection of connections) connection.setMaxListeners(1000);
  await Promise.all(connections.map((connection) => openAndDrop(connection, 100)));
  const resident = server.residentMib();
  await Promise.all(connections.map((connection) => openAndDrop(connection, 400)));
  assert.ok(server.residentMib() < resident + 32, `${resident} MiB became ${server.residentMib()}`);
  for (const connection of connections) connection.close();
});

test('streams that are reset at once cost their own connection and nobody else anything', async () => {
  // HTTP/2's ENHANCE_YOUR_CALM: who resets streams before the server has taken them may go. Whoever's streams it takes as
  // fast as they come may stay, and has an answer to its ping.
  const CALM = 11;
  for (let attack = 0; attack < 50; attack += 1) {
    const attacker = await connect(server);
    const end = new Promise((resolve) => {
      attacker.once('goaway', resolve);
      attacker.once('close', () => resolve('closed'));
    });
    attacker.on('error', () => {});
    for (let reset = 0; reset < 1000 && !attacker.closed && !attacker.destroyed; reset += 1) {
      const stream = begin(attacker, WATCH, admin);
      stream.write(frame(ECHO));
      stream.close(8);
    }
    await check(frame(ECHO), {}, status.OK, undefined);
    const stays = new Promise((resolve) => {
      if (!attacker.closed && !attacker.destroyed) attacker.ping((error) => error ?? resolve('stays'));
    });
    const ended = await Promise.race([end, stays]);
    assert.ok([CALM, 'closed', 'stays'].includes(ended), `${ended}`);
    attacker.destroy();
  }
  await openAndDrop(session, 1);
  assert.ok((await fetch(server.url('/readyz'))).ok);
  assert.doesNotMatch(server.log(), /panicked/);
});
