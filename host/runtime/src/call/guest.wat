;; A plugin that does, by the number of the route, what the tests of `call` need. Its bucket is `b`, its key `k`, and a
;; value is one byte. An answer's body has two bytes: what it read or wrote, and how often this instance was called.
(component
  (import "backplane:plugin/kv@1.0.0" (instance $kv
    (type $error' (variant
      (case "no-transaction") (case "read-only") (case "invalid-bucket") (case "invalid-key")
      (case "value-too-large") (case "transaction-too-large") (case "not-an-integer") (case "unavailable")))
    (export "error" (type $error (eq $error')))
    (type $entry' (record (field "key" string) (field "value" (list u8))))
    (export "entry" (type $entry (eq $entry')))
    (type $page' (record (field "entries" (list $entry)) (field "more" bool)))
    (export "page" (type $page (eq $page')))
    (type $order' (enum "ascending" "descending"))
    (export "order" (type $order (eq $order')))
    (export "get" (func (param "bucket" string) (param "key" string)
      (result (result (option (list u8)) (error $error)))))
    (export "set" (func (param "bucket" string) (param "key" string) (param "value" (list u8))
      (param "ttl-ms" (option u64)) (result (result (error $error)))))
    (export "increment" (func (param "bucket" string) (param "key" string) (param "by" s64)
      (result (result (error $error)))))
    (export "list" (func (param "bucket" string) (param "prefix" string) (param "after" (option string))
      (param "limit" u32) (param "order" $order) (result (result $page (error $error)))))))

  (core module $libc
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $get (canon lower (func $kv "get") (memory $memory) (realloc $realloc)))
  (core func $set (canon lower (func $kv "set") (memory $memory)))
  (core func $increment (canon lower (func $kv "increment") (memory $memory)))
  (core func $list (canon lower (func $kv "list") (memory $memory) (realloc $realloc)))

  (core module $main
    (import "libc" "memory" (memory 4))
    (import "kv" "get" (func $get (param i32 i32 i32 i32 i32)))
    (import "kv" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32 i64 i32)))
    (import "kv" "increment" (func $increment (param i32 i32 i32 i32 i64 i32)))
    (import "kv" "list" (func $list (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (data (i32.const 16) "bk")
    (global $runs (mut i32) (i32.const 0))

    ;; The value, 0 when there is none or it cannot be read.
    (func $read (result i32)
      (call $get (i32.const 16) (i32.const 1) (i32.const 17) (i32.const 1) (i32.const 1024))
      (if (i32.or (i32.load8_u (i32.const 1024)) (i32.eqz (i32.load8_u (i32.const 1028))))
        (then (return (i32.const 0))))
      (i32.load8_u (i32.load (i32.const 1032))))

    (func $write (param i32)
      (i32.store8 (i32.const 2048) (local.get 0))
      (call $set (i32.const 16) (i32.const 1) (i32.const 17) (i32.const 1) (i32.const 2048) (i32.const 1)
        (i32.const 0) (i64.const 0) (i32.const 1100)))

    ;; How many keys there are.
    (func $count (result i32)
      (call $list (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 100) (i32.const 0) (i32.const 1024))
      (i32.load (i32.const 1032)))

    ;; An answer of status 200.
    (func $ok (param i32) (result i32)
      (i32.store8 (i32.const 1200) (i32.const 0))
      (i32.store16 (i32.const 1204) (i32.const 200))
      (i64.store (i32.const 1208) (i64.const 0))
      (i32.store (i32.const 1216) (i32.const 2100))
      (i32.store (i32.const 1220) (i32.const 2))
      (i32.store8 (i32.const 2100) (local.get 0))
      (i32.store8 (i32.const 2101) (global.get $runs))
      (i32.const 1200))

    ;; A problem of status 409 with the code `k`.
    (func $problem (result i32)
      (i32.store8 (i32.const 1200) (i32.const 1))
      (i32.store16 (i32.const 1204) (i32.const 409))
      (i32.store (i32.const 1208) (i32.const 17))
      (i32.store (i32.const 1212) (i32.const 1))
      (i64.store (i32.const 1216) (i64.const 0))
      (i32.const 1200))

    (func (export "handle") (param $route i32)
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      (local $value i32)
      (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
      (block $doubt (block $trap (block $spin (block $increment (block $problem (block $scan (block $look (block $plain
        (block $add
        (br_table $add $plain $look $scan $problem $increment $spin $trap $doubt (local.get $route)))
        ;; 0: reads, adds one, writes.
        (local.set $value (i32.add (call $read) (i32.const 1)))
        (call $write (local.get $value))
        (return (call $ok (local.get $value))))
        ;; 1: uses no state.
        (return (call $ok (i32.const 0))))
        ;; 2: reads.
        (return (call $ok (call $read))))
        ;; 3: reads, lists, writes.
        (local.set $value (call $read))
        (local.set $value (call $count))
        (call $write (local.get $value))
        (return (call $ok (local.get $value))))
        ;; 4: reads, writes, and answers with a problem.
        (call $write (call $read))
        (return (call $problem)))
        ;; 5: increments.
        (call $increment (i32.const 16) (i32.const 1) (i32.const 17) (i32.const 1) (i64.const 1) (i32.const 1100))
        (return (call $ok (i32.const 0))))
        ;; 6: writes, and computes without end.
        (call $write (i32.const 9))
        (loop $forever (br $forever)))
        ;; 7: writes, and traps.
        (call $write (i32.const 9))
        unreachable)
      ;; 8: reads, and traps over anything but nothing.
      (if (call $read) (then unreachable))
      (call $ok (i32.const 0))))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "kv" (instance
      (export "get" (func $get)) (export "set" (func $set))
      (export "increment" (func $increment)) (export "list" (func $list))))))

  (type $problem (record (field "status" u16) (field "code" string) (field "message" string)))
  (type $request (record
    (field "route" u32) (field "method" string) (field "path" string) (field "query" (option string))
    (field "params" (list string)) (field "headers" (list (tuple string string))) (field "body" (list u8))))
  (type $response (record (field "status" u16) (field "headers" (list (tuple string string))) (field "body" (list u8))))
  (func $handle (param "request" $request) (result (result $response (error $problem)))
    (canon lift (core func $main "handle") (memory $memory) (realloc $realloc)))

  ;; Gives the types of the handler their names.
  (component $names
    (type $problem' (record (field "status" u16) (field "code" string) (field "message" string)))
    (import "problem" (type $problem (eq $problem')))
    (type $request' (record
      (field "route" u32) (field "method" string) (field "path" string) (field "query" (option string))
      (field "params" (list string)) (field "headers" (list (tuple string string))) (field "body" (list u8))))
    (import "request" (type $request (eq $request')))
    (type $response' (record
      (field "status" u16) (field "headers" (list (tuple string string))) (field "body" (list u8))))
    (import "response" (type $response (eq $response')))
    (import "handle" (func $handle (param "request" $request) (result (result $response (error $problem)))))
    (export $problem-out "problem" (type $problem))
    (export $request-out "request" (type $request))
    (export $response-out "response" (type $response))
    (export "handle" (func $handle)
      (func (param "request" $request-out) (result (result $response-out (error $problem-out))))))
  (instance $http (instantiate $names
    (with "problem" (type $problem)) (with "request" (type $request)) (with "response" (type $response))
    (with "handle" (func $handle))))
  (export "backplane:plugin/http-handler@1.0.0" (instance $http)))
