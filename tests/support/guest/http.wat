(global $fields (mut i32) (i32.const 0))
(global $options (mut i32) (i32.const 0))

(func $say_error (param $code i32)
  (i32.store8 (i32.const 1020) (i32.const 69)) ;; E
  (call $say (i32.const 1020) (i32.const 1))
  (call $say_number (i64.extend_i32_u (local.get $code))))

;; Sends a request with the fields and options in the globals, and appends the status and the body of the response.
(func $fetch
  (param $https i32) (param $authority i32) (param $authority_len i32) (param $path i32) (param $path_len i32)
  (param $method i32) (param $chunks i32)
  (local $request i32) (local $future i32) (local $response i32) (local $stream i32) (local $body i32)
  (local $pollable i32) (local $heap i32)
  (local.set $request (call $request (global.get $fields)))
  (drop (call $set_method (local.get $request) (local.get $method) (i32.const 0) (i32.const 0)))
  (drop (call $set_scheme (local.get $request) (i32.const 1) (local.get $https) (i32.const 0) (i32.const 0)))
  (if (call $set_authority (local.get $request) (i32.const 1) (local.get $authority) (local.get $authority_len))
    (then (call $say_error (i32.const 101)) (return)))
  (if (call $set_path (local.get $request) (i32.const 1) (local.get $path) (local.get $path_len))
    (then (call $say_error (i32.const 102)) (return)))
  (if (i32.ge_s (local.get $chunks) (i32.const 0))
    (then
      (call $outgoing_body (local.get $request) (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then (call $say_error (i32.const 103)) (return)))
      (local.set $body (i32.load (i32.const 260)))
      (call $body_write (local.get $body) (i32.const 264))
      (local.set $stream (i32.load (i32.const 268)))))
  (call $handle (local.get $request) (i32.const 1) (global.get $options) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_error (i32.load8_u (i32.const 264))) (return)))
  (local.set $future (i32.load (i32.const 264)))
  (if (i32.ge_s (local.get $chunks) (i32.const 0))
    (then
      (block $written
        (loop $more
          (br_if $written (i32.eqz (local.get $chunks)))
          (call $stream_write (local.get $stream) (i32.const 4096) (i32.const 4096) (i32.const 272))
          (br_if $written (i32.load8_u (i32.const 272)))
          (local.set $chunks (i32.sub (local.get $chunks) (i32.const 1)))
          (br $more)))
      (call $drop_output (local.get $stream))
      (call $body_finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 272))))
  (local.set $pollable (call $subscribe (local.get $future)))
  (call $block (local.get $pollable))
  (call $drop_pollable (local.get $pollable))
  (call $get (local.get $future) (i32.const 320))
  (if (i32.load8_u (i32.const 336)) (then (call $say_error (i32.load8_u (i32.const 344))) (return)))
  (local.set $response (i32.load (i32.const 344)))
  (call $say_number (i64.extend_i32_u (call $status (local.get $response))))
  (i32.store8 (i32.const 1020) (i32.const 32)) ;; a space
  (call $say (i32.const 1020) (i32.const 1))
  (call $consume (local.get $response) (i32.const 256))
  (call $body_stream (i32.load (i32.const 260)) (i32.const 264))
  (local.set $stream (i32.load (i32.const 268)))
  (local.set $heap (global.get $heap))
  (block $end
    (loop $more
      (global.set $heap (local.get $heap))
      (call $read (local.get $stream) (i64.const 65536) (i32.const 272))
      (if (i32.load8_u (i32.const 272))
        (then
          ;; Any stream error other than `closed`.
          (if (i32.eqz (i32.load8_u (i32.const 276))) (then (call $say_error (i32.const 99))))
          (br $end)))
      (if (i32.lt_u (i32.add (global.get $said) (i32.load (i32.const 280))) (i32.const 30000))
        (then (call $say (i32.load (i32.const 276)) (i32.load (i32.const 280)))))
      (br $more))))
