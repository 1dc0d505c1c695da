;; A plugin that does, by the index of the gRPC method, what the tests of gRPC calls need. Its bucket is `b`, its key
;; `k`, and a value is one byte.
(component
  (import "backplane:plugin/kv@1.0.0" (instance $kv
    (type $error' (variant
      (case "no-transaction") (case "read-only") (case "invalid-bucket") (case "invalid-key")
      (case "value-too-large") (case "transaction-too-large") (case "not-an-integer") (case "unavailable")))
    (export "error" (type $error (eq $error')))
    (export "get" (func (param "bucket" string) (param "key" string)
      (result (result (option (list u8)) (error $error)))))
    (export "set" (func (param "bucket" string) (param "key" string) (param "value" (list u8))
      (param "ttl-ms" (option u64)) (result (result (error $error)))))))

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

  (core module $main
    (import "libc" "memory" (memory 4))
    (import "kv" "get" (func $get (param i32 i32 i32 i32 i32)))
    (import "kv" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32 i64 i32)))
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

    ;; Answers with a message.
    (func $ok (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 1200) (i32.const 0))
      (i32.store (i32.const 1204) (local.get $at))
      (i32.store (i32.const 1208) (local.get $length))
      (i32.const 1200))

    ;; Answers with a status: the code is the first byte of what stands at `at`, reason and message are all after it.
    (func $fail (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 1200) (i32.const 1))
      (i32.store (i32.const 1204) (i32.load8_u (local.get $at)))
      (i32.store (i32.const 1208) (i32.add (local.get $at) (i32.const 1)))
      (i32.store (i32.const 1212) (i32.sub (local.get $length) (i32.const 1)))
      (i32.store (i32.const 1216) (i32.add (local.get $at) (i32.const 1)))
      (i32.store (i32.const 1220) (i32.sub (local.get $length) (i32.const 1)))
      (i32.const 1200))

    ;; Reads, adds one, writes; answers with the value and with how often this instance was called.
    (func $add (result i32)
      (i32.store8 (i32.const 2100) (i32.add (call $read) (i32.const 1)))
      (i32.store8 (i32.const 2101) (global.get $runs))
      (call $write (i32.load8_u (i32.const 2100)))
      (call $ok (i32.const 2100) (i32.const 2)))

    (func (export "handle")
      (param $method i32) (param $metadata i32) (param i32) (param $message i32) (param $length i32) (result i32)
      (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
      (block $none (block $metadata (block $spin (block $trap (block $fail (block $echo (block $add
        (br_table $add $echo $fail $trap $spin $metadata $add $none (local.get $method)))
        ;; 0 and 6.
        (return (call $add)))
        ;; 1: the message.
        (return (call $ok (local.get $message) (local.get $length))))
        ;; 2: writes, and answers with the status that the message asks for.
        (call $write (i32.const 9))
        (return (call $fail (local.get $message) (local.get $length))))
        ;; 3: writes, and traps.
        (call $write (i32.const 9))
        unreachable)
        ;; 4: writes, and computes without end.
        (call $write (i32.const 9))
        (loop $forever (br $forever)))
        ;; 5: the value of the first metadata.
        (return (call $ok
          (i32.load offset=8 (local.get $metadata)) (i32.load offset=12 (local.get $metadata)))))
      ;; 7: no such method.
      unreachable))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "kv" (instance (export "get" (func $get)) (export "set" (func $set))))))

  (type $call (record
    (field "method" u32) (field "metadata" (list (tuple string string))) (field "message" (list u8))))
  (type $status (record (field "code" u32) (field "reason" string) (field "message" string)))
  (func $handle (param "call" $call) (result (result (list u8) (error $status)))
    (canon lift (core func $main "handle") (memory $memory) (realloc $realloc)))

  ;; Gives the types of the handler their names.
  (component $names
    (type $call' (record
      (field "method" u32) (field "metadata" (list (tuple string string))) (field "message" (list u8))))
    (import "call" (type $call (eq $call')))
    (type $status' (record (field "code" u32) (field "reason" string) (field "message" string)))
    (import "status" (type $status (eq $status')))
    (import "handle" (func $handle (param "call" $call) (result (result (list u8) (error $status)))))
    (export $call-out "call" (type $call))
    (export $status-out "status" (type $status))
    (export "handle" (func $handle)
      (func (param "call" $call-out) (result (result (list u8) (error $status-out))))))
  (instance $grpc (instantiate $names
    (with "call" (type $call)) (with "status" (type $status)) (with "handle" (func $handle))))
  (export "backplane:plugin/grpc-handler@1.0.0" (instance $grpc)))
