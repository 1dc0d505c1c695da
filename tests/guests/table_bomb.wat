;; Grows a table until the host refuses. Rust has no word for it, so this is a component by hand.
(component
  (core module $guest
    (memory (export "memory") 1)
    (table $table 1 funcref)
    (global $free (mut i32) (i32.const 1024))

    ;; Gives out memory and never takes it back: an instance answers one call.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8))))

    ;; Route 0 answers 204, route 1 attacks. The result is a discriminant and a response, all zero but its status.
    (func (export "handle")
      (param $route i32) (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      (if (i32.eqz (local.get $route))
        (then (i32.store16 (i32.const 4) (i32.const 204)) (return (i32.const 0))))
      (loop $more
        (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1024)) (i32.const -1))))
      unreachable)

    (@custom "backplane:manifest" "{\"api\":\"1.0\",\"name\":\"table-bomb\",\"version\":\"1.0.0\",\"routes\":[{\"method\":\"GET\",\"path\":\"/answer\",\"access\":\"public\"},{\"method\":\"GET\",\"path\":\"/\",\"access\":\"public\"}]}"))
  (core instance $core (instantiate $guest))

  (type $request-shape (record
    (field "route" u32) (field "method" string) (field "path" string) (field "query" (option string))
    (field "params" (list string)) (field "headers" (list (tuple string string))) (field "body" (list u8))))
  (type $response-shape (record
    (field "status" u16) (field "headers" (list (tuple string string))) (field "body" (list u8))))
  (type $problem-shape (record (field "status" u16) (field "code" string) (field "message" string)))
  (export $request "request" (type $request-shape))
  (export $response "response" (type $response-shape))
  (export $problem "problem" (type $problem-shape))

  (func $handle (param "request" $request) (result (result $response (error $problem)))
    (canon lift (core func $core "handle") (memory (core memory $core "memory")) (realloc (core func $core "realloc"))))
  (instance $handler (export "handle" (func $handle)))
  (export "backplane:plugin/http-handler@1.0.0" (instance $handler)))
