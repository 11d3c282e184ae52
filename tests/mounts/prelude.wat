(import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
(import "wasi:http/types@0.2.0" "[method]fields.get" (func $get (param i32 i32 i32 i32)))
(import "wasi:http/types@0.2.0" "[method]incoming-request.headers" (func $headers (param i32) (result i32)))
(import "wasi:http/types@0.2.0" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
(import "wasi:http/types@0.2.0" "[method]incoming-request.scheme" (func $scheme (param i32 i32)))
(import "wasi:http/types@0.2.0" "[method]incoming-request.consume" (func $consume (param i32 i32)))
(import "wasi:http/types@0.2.0" "[method]incoming-body.stream" (func $body_stream (param i32 i32)))
(import "wasi:http/types@0.2.0" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
(import "wasi:http/types@0.2.0" "[method]outgoing-response.set-status-code"
  (func $set_status (param i32 i32) (result i32)))
(import "wasi:http/types@0.2.0" "[method]outgoing-response.body" (func $response_body (param i32 i32)))
(import "wasi:http/types@0.2.0" "[method]outgoing-body.write" (func $body_write (param i32 i32)))
(import "wasi:http/types@0.2.0" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
(import "wasi:http/types@0.2.0" "[static]response-outparam.set"
  (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
  (func $stream_write (param i32 i32 i32 i32)))
(import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop_output (param i32)))
(import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
(memory (export "memory") 16)
(global $heap (mut i32) (i32.const 65536))
(global $body (mut i32) (i32.const 0))
(data (i32.const 64) "hello")
(data (i32.const 96) "authorization")
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and
    (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get 2))))
  (global.set $heap (i32.add (local.get $at) (local.get 3)))
  (local.get $at))

;; Sets the head of the response, and returns the stream of its body.
(func $start (param $outparam i32) (param $status i32) (result i32)
  (local $response i32)
  (local.set $response (call $response (call $fields)))
  (drop (call $set_status (local.get $response) (local.get $status)))
  (call $response_body (local.get $response) (i32.const 16))
  (global.set $body (i32.load (i32.const 20)))
  (call $body_write (global.get $body) (i32.const 24))
  (call $set (local.get $outparam) (i32.const 0) (local.get $response)
    (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
  (i32.load (i32.const 28)))

;; Writes at most 4096 bytes, and returns whether that failed.
(func $write (param $stream i32) (param $at i32) (param $bytes i32) (result i32)
  (call $stream_write (local.get $stream) (local.get $at) (local.get $bytes) (i32.const 32))
  (i32.load8_u (i32.const 32)))

(func $end (param $stream i32)
  (call $drop_output (local.get $stream))
  (call $finish (global.get $body) (i32.const 0) (i32.const 0) (i32.const 512)))

;; Copies the body of the request to a stream.
(func $drain (param $request i32) (param $stream i32)
  (local $input i32)
  (call $consume (local.get $request) (i32.const 40))
  (call $body_stream (i32.load (i32.const 44)) (i32.const 48))
  (local.set $input (i32.load (i32.const 52)))
  (loop $more
    (call $read (local.get $input) (i64.const 4096) (i32.const 40))
    (if (i32.eqz (i32.load8_u (i32.const 40)))
      (then
        (drop (call $write (local.get $stream) (i32.load (i32.const 44)) (i32.load (i32.const 48))))
        (br $more)))))

;; Returns the number of values that the header `authorization` has.
(func $tokens (param $request i32) (result i32)
  (call $get (call $headers (local.get $request)) (i32.const 96) (i32.const 13) (i32.const 40))
  (i32.load (i32.const 44)))
