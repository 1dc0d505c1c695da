;; A plugin that does with an event what the first byte of its payload says, and with a run of a schedule what the
;; number of the schedule says. Its bucket is `b`, its key `k`, and a value is one byte.
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
  (import "backplane:plugin/events@1.0.0" (instance $events
    (type $error' (variant
      (case "no-transaction") (case "read-only") (case "invalid-topic") (case "topic-not-declared")
      (case "invalid-key") (case "invalid-content") (case "payload-too-large") (case "transaction-too-large")
      (case "unavailable")))
    (export "error" (type $error (eq $error')))
    (type $new-event' (record
      (field "topic" string) (field "key" (option string)) (field "content-type" string) (field "payload" (list u8))))
    (export "new-event" (type $new-event (eq $new-event')))
    (export "publish" (func (param "event" $new-event) (result (result string (error $error)))))))

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
  (core func $publish (canon lower (func $events "publish") (memory $memory) (realloc $realloc)))

  (core module $main
    (import "libc" "memory" (memory 4))
    (import "kv" "get" (func $get (param i32 i32 i32 i32 i32)))
    (import "kv" "set" (func $set (param i32 i32 i32 i32 i32 i32 i32 i64 i32)))
    (import "events" "publish" (func $publish (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (data (i32.const 16) "bk")
    (data (i32.const 32) "text/plain")
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

    (func $add (call $write (i32.add (call $read) (i32.const 1))))

    ;; Publishes to the topic `k` how often this instance was called.
    (func $tell
      (i32.store8 (i32.const 2049) (global.get $runs))
      (call $publish (i32.const 17) (i32.const 1) (i32.const 1) (i32.const 16) (i32.const 1)
        (i32.const 32) (i32.const 10) (i32.const 2049) (i32.const 1) (i32.const 1104)))

    ;; A failure with the code `k`.
    (func $failed (param $retry i32) (result i32)
      (i32.store8 (i32.const 1200) (i32.const 1))
      (i32.store16 (i32.const 1208) (i32.const 500))
      (i32.store (i32.const 1212) (i32.const 17))
      (i32.store (i32.const 1216) (i32.const 1))
      (i64.store (i32.const 1220) (i64.const 0))
      (i32.store8 (i32.const 1232) (local.get $retry))
      (i64.store (i32.const 1240) (i64.const 5000))
      (i32.const 1200))

    (func (export "handle-event")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (param $payload i32) (param i32 i64 i32) (result i32)
      (local $left i32)
      (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
      (i32.store8 (i32.const 1200) (i32.const 0))
      (block $much (block $plain (block $tell (block $spin (block $trap (block $never (block $after (block $later (block $add
        (br_table $add $later $after $never $trap $spin $tell $plain $much (i32.load8_u (local.get $payload))))
        ;; 0: reads, adds one, writes.
        (call $add)
        (return (i32.const 1200)))
        ;; 1 to 3: the same, publishes, and fails: for now, for 5 s, for good.
        (call $add) (call $tell)
        (return (call $failed (i32.const 0))))
        (call $add) (call $tell)
        (return (call $failed (i32.const 1))))
        (call $add) (call $tell)
        (return (call $failed (i32.const 2))))
        ;; 4: the same, and traps.
        (call $add) (call $tell)
        unreachable)
        ;; 5: the same, and computes without end.
        (call $add) (call $tell)
        (loop $forever (br $forever)))
        ;; 6: adds one and publishes.
        (call $add) (call $tell)
        (return (i32.const 1200)))
      ;; 7: uses no state.
      (return (i32.const 1200)))
      ;; 8: publishes 300 times, and traps where it is refused.
      (local.set $left (i32.const 300))
      (loop $next
        (call $tell)
        (if (i32.load8_u (i32.const 1104)) (then unreachable))
        (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (i32.const 1200))

    (func (export "handle-schedule") (param $schedule i32) (param i64) (result i32)
      (i32.store8 (i32.const 1200) (i32.const 0))
      (call $add)
      ;; 0: adds one. 1: and answers with a problem of the code `k`. 2: and traps.
      (if (i32.eqz (local.get $schedule)) (then (return (i32.const 1200))))
      (if (i32.eq (local.get $schedule) (i32.const 2)) (then unreachable))
      (i32.store8 (i32.const 1200) (i32.const 1))
      (i32.store16 (i32.const 1204) (i32.const 500))
      (i32.store (i32.const 1208) (i32.const 17))
      (i32.store (i32.const 1212) (i32.const 1))
      (i64.store (i32.const 1216) (i64.const 0))
      (i32.const 1200)))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "kv" (instance (export "get" (func $get)) (export "set" (func $set))))
    (with "events" (instance (export "publish" (func $publish))))))

  (type $problem (record (field "status" u16) (field "code" string) (field "message" string)))
  (type $retry (variant (case "later") (case "after-ms" u64) (case "never")))
  (type $failure (record (field "problem" $problem) (field "retry" $retry)))
  (type $event (record
    (field "subscription" u32) (field "id" string) (field "source" string) (field "topic" string)
    (field "key" (option string)) (field "content-type" string) (field "payload" (list u8)) (field "time-ms" u64)
    (field "attempt" u32)))
  (type $run (record (field "schedule" u32) (field "slot-ms" u64)))
  (func $handle-event (param "event" $event) (result (result (error $failure)))
    (canon lift (core func $main "handle-event") (memory $memory) (realloc $realloc)))
  (func $handle-schedule (param "run" $run) (result (result (error $problem)))
    (canon lift (core func $main "handle-schedule") (memory $memory) (realloc $realloc)))

  ;; Give the types of the handlers their names.
  (component $event-names
    (type $problem' (record (field "status" u16) (field "code" string) (field "message" string)))
    (import "problem" (type $problem (eq $problem')))
    (type $retry' (variant (case "later") (case "after-ms" u64) (case "never")))
    (import "retry" (type $retry (eq $retry')))
    (type $failure' (record (field "problem" $problem) (field "retry" $retry)))
    (import "failure" (type $failure (eq $failure')))
    (type $event' (record
      (field "subscription" u32) (field "id" string) (field "source" string) (field "topic" string)
      (field "key" (option string)) (field "content-type" string) (field "payload" (list u8)) (field "time-ms" u64)
      (field "attempt" u32)))
    (import "event" (type $event (eq $event')))
    (import "handle" (func $handle (param "event" $event) (result (result (error $failure)))))
    (export $problem-out "problem" (type $problem))
    (export $retry-out "retry" (type $retry))
    (type $failure-named (record (field "problem" $problem-out) (field "retry" $retry-out)))
    (export $failure-out "failure" (type $failure) (type (eq $failure-named)))
    (export $event-out "event" (type $event))
    (export "handle" (func $handle) (func (param "event" $event-out) (result (result (error $failure-out))))))
  (instance $event-handler (instantiate $event-names
    (with "problem" (type $problem)) (with "retry" (type $retry)) (with "failure" (type $failure))
    (with "event" (type $event)) (with "handle" (func $handle-event))))
  (export "backplane:plugin/event-handler@1.0.0" (instance $event-handler))

  (component $schedule-names
    (type $problem' (record (field "status" u16) (field "code" string) (field "message" string)))
    (import "problem" (type $problem (eq $problem')))
    (type $run' (record (field "schedule" u32) (field "slot-ms" u64)))
    (import "run" (type $run (eq $run')))
    (import "handle" (func $handle (param "run" $run) (result (result (error $problem)))))
    (export $problem-out "problem" (type $problem))
    (export $run-out "run" (type $run))
    (export "handle" (func $handle) (func (param "run" $run-out) (result (result (error $problem-out))))))
  (instance $schedule-handler (instantiate $schedule-names
    (with "problem" (type $problem)) (with "run" (type $run)) (with "handle" (func $handle-schedule))))
  (export "backplane:plugin/schedule-handler@1.0.0" (instance $schedule-handler)))
