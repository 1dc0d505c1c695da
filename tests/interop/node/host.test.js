// The host's own services, by grpc-js.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { after, before } = require('node:test');

const { PATIENCE, Server, bearer, call, checkStatus, client, component, grpc, test } = require('./harness.js');

const { status } = grpc;
let server;
let plugins;
let events;
let admin;

before(async () => {
  server = await Server.start(['echo']);
  plugins = client(server, 'proto', 'backplane/v1/plugins.proto', 'backplane.v1.Plugins');
  events = client(server, 'proto', 'backplane/v1/events.proto', 'backplane.v1.Events');
  admin = bearer(server.token());
});

after(async () => {
  plugins?.close();
  events?.close();
  await server?.close();
});

test('an administrator sees the plugins, and nobody else does', async () => {
  const { plugin } = await call(plugins, 'get', { name: 'echo' }, admin);
  assert.deepEqual([plugin.name, plugin.state, plugin.mount], ['echo', 'PLUGIN_STATE_LIVE', '/echo']);
  await checkStatus(call(plugins, 'list', {}), status.UNAUTHENTICATED, 'backplane/unauthenticated');
  await checkStatus(call(plugins, 'list', {}, bearer('bp_none')), status.UNAUTHENTICATED, 'backplane/invalid_token');
  const clerk = bearer(server.token('clerk'));
  await checkStatus(call(plugins, 'list', {}, clerk), status.PERMISSION_DENIED, 'backplane/forbidden');
  await checkStatus(call(plugins, 'get', { name: 'none' }, admin), status.NOT_FOUND, 'backplane/unknown_plugin');
});

test('what nobody has is not implemented', async () => {
  const none = new grpc.Client(server.address, grpc.credentials.createInsecure());
  const raw = (path) => new Promise((resolve, reject) => {
    const same = (bytes) => bytes;
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    none.makeUnaryRequest(path, same, same, Buffer.alloc(0), admin, { deadline: Date.now() + PATIENCE }, done);
  });
  for (const path of ['/none.v1.None/List', '/backplane.v1.Plugins/None']) {
    await checkStatus(raw(path), status.UNIMPLEMENTED, 'backplane/unknown_method');
  }
  none.close();
});

test('a message that is too long is refused', async () => {
  const event = { topic: 'interop.long', payload: Buffer.alloc(5 << 20) };
  await checkStatus(call(events, 'publish', { event }, admin), status.RESOURCE_EXHAUSTED, 'backplane/payload_too_large');
});

test('gzip goes both ways', async () => {
  const gzip = { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip };
  const compressing = client(server, 'proto', 'backplane/v1/plugins.proto', 'backplane.v1.Plugins', gzip);
  const { plugin } = await call(compressing, 'get', { name: 'echo' }, admin);
  assert.equal(plugin.name, 'echo');
  compressing.close();
});

test('a plugin is uploaded as a stream, watched, and removed', async () => {
  const watch = plugins.watch({ name: 'hello' }, admin);
  const seen = [];
  const ended = new Promise((resolve) => watch.on('error', resolve));
  const gone = new Promise((resolve) => {
    watch.on('data', (message) => {
      seen.push(message.plugins.map((plugin) => plugin.state));
      const wasLive = seen.some((states) => states.includes('PLUGIN_STATE_LIVE'));
      if (wasLive && message.plugins.length === 0) resolve();
    });
  });
  const uploaded = await new Promise((resolve, reject) => {
    const upload = plugins.upload(admin, (error, answer) => (error ? reject(error) : resolve(answer)));
    upload.write({ header: {} });
    const content = fs.readFileSync(component('hello'));
    for (let start = 0; start < content.length; start += 100_000) {
      upload.write({ chunk: content.subarray(start, start + 100_000) });
    }
    upload.end();
  });
  assert.equal(uploaded.plugin.name, 'hello');
  assert.equal(await (await fetch(server.url('/hello/Ada'))).text(), '{"hello":"Ada"}');
  await call(plugins, 'remove', { name: 'hello' }, admin);
  await gone;
  watch.cancel();
  assert.equal((await ended).code, status.CANCELLED);
});

test('events are published and followed', async () => {
  const { event } = await call(events, 'publish', { event: { topic: 'interop.node', payload: Buffer.from('one') } }, admin);
  const stream = events.subscribe({ topics: ['interop.*'], after: event.sequence - 1 }, admin);
  stream.on('error', () => {});
  const first = await new Promise((resolve) => {
    stream.on('data', (message) => message.event && resolve(message.event));
  });
  assert.deepEqual([first.sequence, first.topic, first.payload.toString()], [event.sequence, 'interop.node', 'one']);
  stream.cancel();
});

test('a call ends with its deadline', async () => {
  const watch = plugins.watch({}, admin, { deadline: Date.now() + 300 });
  watch.on('data', () => {});
  const error = await new Promise((resolve) => watch.on('error', resolve));
  assert.equal(error.code, status.DEADLINE_EXCEEDED);
});
