// One server process in folders of its own, grpc-js clients made from the `.proto` files, and bare HTTP/2.
//
// `cargo xtask interop` builds what is started here, says where it is, and where the packages are.
'use strict';

const assert = require('node:assert/strict');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const http2 = require('node:http2');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { test: nodeTest } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

const ROOT = path.resolve(__dirname, '../../..');
const TARGET = process.env.BACKPLANE_TARGET ?? path.join(ROOT, 'target');
const PROGRAM = path.join(TARGET, 'debug', 'backplane');

// How long anything may take before a test gives up, in milliseconds.
const PATIENCE = 60_000;
const PASSWORD = 'seven mooses in a lift';

// Returns the file of a plugin or of a guest of the tests.
function component(name) {
  const files = ['plugins', 'guests'].map((folder) => path.join(TARGET, folder, `${name}.wasm`));
  const file = files.find((file) => fs.existsSync(file));
  assert.ok(file, `${name}.wasm is not built: \`cargo xtask interop\` does that`);
  return file;
}

// Runs a test that fails when it takes too long.
function test(name, act) {
  return nodeTest(name, { timeout: 2 * PATIENCE }, act);
}

// Looks again and again until something is so, and returns what was seen.
async function waitUntil(what, isSo) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const seen = await isSo();
    if (seen) return seen;
    assert.ok(Date.now() < end, `waited ${PATIENCE} ms for ${what}`);
    await sleep(10);
  }
}

// A running server. It ends with `close`.
class Server {
  static async start(plugins, config = '') {
    const server = new Server();
    server.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'backplane-interop-'));
    server.plugins = path.join(server.folder, 'plugins');
    server.data = path.join(server.folder, 'data');
    fs.mkdirSync(server.plugins);
    fs.mkdirSync(server.data, { mode: 0o700 });
    for (const name of plugins) server.put(`${name}.wasm`, fs.readFileSync(component(name)));
    const configuration = path.join(server.folder, 'backplane.toml');
    fs.writeFileSync(configuration, `[folder]\nremoval_grace = "300ms"\n${config}`);
    server.tokens = new Map();
    const log = fs.openSync(path.join(server.folder, 'log'), 'w');
    server.process = spawn(
      PROGRAM,
      ['serve', '--listen', '127.0.0.1:0', '--config', configuration, '--plugins', server.plugins, '--data', server.data],
      { cwd: server.folder, env: {}, stdio: ['ignore', 'pipe', log] },
    );
    fs.closeSync(log);
    server.exited = new Promise((resolve) => server.process.once('exit', resolve));
    for await (const line of readline.createInterface(server.process.stdout)) {
      server.address = line.split('http://')[1];
      break;
    }
    assert.ok(server.address, `the server did not start: ${server.log()}`);
    await waitUntil('a server that is ready', async () => (await fetch(server.url('/readyz'))).ok);
    return server;
  }

  // Tells the server to stop, and deletes its folders.
  async close() {
    this.process.kill('SIGTERM');
    const slow = setTimeout(() => this.process.kill('SIGKILL'), PATIENCE);
    await this.exited;
    clearTimeout(slow);
    fs.rmSync(this.folder, { recursive: true });
  }

  log() {
    return fs.readFileSync(path.join(this.folder, 'log'), 'utf8');
  }

  url(path) {
    return `http://${this.address}${path}`;
  }

  // Puts a file into the plugin folder in one step.
  put(name, content) {
    const hidden = path.join(this.plugins, `.${name}`);
    fs.writeFileSync(hidden, content);
    fs.renameSync(hidden, path.join(this.plugins, name));
  }

  // Returns a token of somebody with that role.
  token(role = 'admin') {
    if (!this.tokens.has(role)) {
      this.#run(['user', 'add', role, '--role', role], PASSWORD);
      this.tokens.set(role, this.#run(['token', 'issue', '--user', role, '--ttl', '1h'], '').trim());
    }
    return this.tokens.get(role);
  }

  // Returns what the API says of a plugin.
  async plugin(name) {
    const headers = { authorization: `Bearer ${this.token()}` };
    return (await fetch(this.url(`/api/plugins/${name}`), { headers })).json();
  }

  // Returns the memory that the process has now, in MiB.
  residentMib() {
    const status = fs.readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) / 1024;
  }

  #run(command, input) {
    return execFileSync(PROGRAM, [...command, '--data', this.data], { cwd: this.folder, env: {}, input, encoding: 'utf8' });
  }
}

// Returns a client of one service, as its `.proto` file describes it.
function client(server, folder, file, service, options = {}) {
  const includeDirs = [path.join(ROOT, folder)];
  const definition = protoLoader.loadSync(file, { includeDirs, longs: Number, enums: String, defaults: true });
  const Client = service.split('.').reduce((scope, name) => scope[name], grpc.loadPackageDefinition(definition));
  // A connection of its own, and none that a test before it has closed.
  return new Client(server.address, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1, ...options });
}

function bearer(token) {
  const metadata = new grpc.Metadata();
  if (token) metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

// Calls a method that answers one message. Options are those of grpc-js.
function call(client, method, request, metadata = bearer(), options = {}) {
  return new Promise((resolve, reject) => {
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    client[method](request, metadata, { deadline: Date.now() + PATIENCE, ...options }, done);
  });
}

const STATUS_TYPES = `
  syntax = "proto3";
  package google;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; }`;

// Returns domain and reason of the `ErrorInfo` in the bytes of a `grpc-status-details-bin`.
function reasonIn(bytes) {
  // A package that proto-loader brings along.
  const { root } = require('protobufjs').parse(STATUS_TYPES);
  const details = root.lookupType('google.Status').decode(bytes).details;
  const info = details.find((detail) => detail.typeUrl === 'type.googleapis.com/google.rpc.ErrorInfo');
  const { domain, reason } = root.lookupType('google.ErrorInfo').decode(info.value);
  return `${domain}/${reason}`;
}

// Checks that a call of grpc-js fails with that status and that stable code.
async function checkStatus(answer, code, reason) {
  const error = await answer.then((message) => assert.fail(`answered ${JSON.stringify(message)}`), (error) => error);
  assert.equal(error.code, code, error);
  assert.equal(reasonIn(error.metadata.get('grpc-status-details-bin')[0]), reason, error);
  return error.details;
}

// Opens an HTTP/2 connection on which anything can be sent.
async function connect(server) {
  const session = http2.connect(server.url('/'));
  await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject));
  return session;
}

// Puts a message into a frame of gRPC.
function frame(message, flag = 0) {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

// Begins a call with headers of its own, and sends nothing yet.
function begin(session, method, headers = {}) {
  const stream = session.request({
    ':method': 'POST', ':path': `/${method}`, 'content-type': 'application/grpc', te: 'trailers', ...headers,
  });
  // Whoever waits for the answer gets the error, too.
  stream.on('error', () => {});
  return stream;
}

// Waits for the end of a call: its HTTP status, its gRPC status wherever that is, the stable code, and the body.
function finished(stream) {
  return new Promise((resolve, reject) => {
    let head = {};
    let trailers = {};
    const chunks = [];
    stream.once('response', (headers) => { head = headers; });
    stream.once('trailers', (headers) => { trailers = headers; });
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.once('error', reject);
    stream.once('close', () => {
      const status = trailers['grpc-status'] ?? head['grpc-status'];
      const details = trailers['grpc-status-details-bin'] ?? head['grpc-status-details-bin'];
      resolve({
        http: head[':status'],
        status: status === undefined ? undefined : Number(status),
        reason: details && reasonIn(Buffer.from(details, 'base64')),
        message: decodeURIComponent(trailers['grpc-message'] ?? head['grpc-message'] ?? ''),
        body: Buffer.concat(chunks),
      });
    });
  });
}

// Sends bytes as a call, whatever they are, and waits for its end.
function send(session, method, bytes, headers = {}) {
  const stream = begin(session, method, headers);
  const end = finished(stream);
  stream.end(bytes);
  return end;
}

module.exports = {
  PATIENCE, Server, bearer, begin, call, checkStatus, client, component, connect, finished, frame, grpc, send, sleep, test, waitUntil,
};
