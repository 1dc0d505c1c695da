// Counts in SQLite as a handler would that somebody writes with fastify and better-sqlite3: one transaction for each
// request, in the one thread that there is. Settings and table are those of the other programs (benches/src/counters.rs).

import Database from 'better-sqlite3';
import Fastify from 'fastify';

const database = new Database(process.argv[2]);
database.exec(`
  PRAGMA busy_timeout = 5000;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = ON;
  PRAGMA wal_autocheckpoint = 4000;
  PRAGMA journal_size_limit = 67108864;
  PRAGMA temp_store = MEMORY;
  PRAGMA cell_size_check = ON;
  CREATE TABLE IF NOT EXISTS counters (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
`);
const find = database.prepare('SELECT value FROM counters WHERE key = ?').pluck();
const write = database.prepare(
  'INSERT INTO counters (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
);
const bump = database.transaction((key) => {
  const stored = find.get(key);
  const counter = stored === undefined ? { count: 0 } : JSON.parse(stored.toString());
  counter.count += 1;
  write.run(key, Buffer.from(JSON.stringify(counter)));
  return counter;
});

const server = Fastify();
server.post('/bump/:key', (request) => bump.immediate(request.params.key));
server.get('/read/:key', (request, reply) => {
  const stored = find.get(request.params.key);
  return stored === undefined ? reply.code(404).send() : reply.type('application/json').send(stored);
});
console.log(`listening on ${await server.listen({ host: '127.0.0.1', port: 0 })}`);
