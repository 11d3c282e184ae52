;; Memory layout: 16 the returned record, 128 a content record, 256 to 1024 scratch for the test,
;; 1024 to 40960 the text that $say appends to.

(global $said (mut i32) (i32.const 0))

;; A bump allocator. Every call has its own instance, so nothing is freed.
(func $realloc (export "cabi_realloc")
  (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32) (local $pages i32)
  (local.set $at (i32.and
    (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get $align))))
  (global.set $heap (i32.add (local.get $at) (local.get $size)))
  (local.set $pages (i32.shr_u (i32.add (global.get $heap) (i32.const 65535)) (i32.const 16)))
  (if (i32.gt_u (local.get $pages) (memory.size))
    (then (if (i32.eq (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const -1))
      (then unreachable))))
  (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
  (local.get $at))

(func $same (param $a i32) (param $a_len i32) (param $b i32) (param $b_len i32) (result i32)
  (if (i32.ne (local.get $a_len) (local.get $b_len)) (then (return (i32.const 0))))
  (loop $next
    (if (i32.eqz (local.get $a_len)) (then (return (i32.const 1))))
    (if (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))) (then (return (i32.const 0))))
    (local.set $a (i32.add (local.get $a) (i32.const 1)))
    (local.set $b (i32.add (local.get $b) (i32.const 1)))
    (local.set $a_len (i32.sub (local.get $a_len) (i32.const 1)))
    (br $next))
  (unreachable))

;; Returns ok(complete) with one text block.
(func $text (param $ptr i32) (param $len i32) (result i32)
  (i32.store8 (i32.const 16) (i32.const 0))
  (i32.store8 (i32.const 20) (i32.const 0))
  (i32.store (i32.const 24) (i32.const 128))
  (i32.store (i32.const 28) (i32.const 1))
  (i32.store (i32.const 136) (local.get $ptr))
  (i32.store (i32.const 140) (local.get $len))
  (i32.const 16))

;; Returns ok(complete) with structured output and no content.
(func $structured (param $ptr i32) (param $len i32) (result i32)
  (i32.store8 (i32.const 16) (i32.const 0))
  (i32.store8 (i32.const 20) (i32.const 0))
  (i32.store (i32.const 24) (i32.const 128))
  (i32.store (i32.const 28) (i32.const 0))
  (i32.store8 (i32.const 32) (i32.const 1))
  (i32.store (i32.const 36) (local.get $ptr))
  (i32.store (i32.const 40) (local.get $len))
  (i32.const 16))

(func $error (param $kind i32) (param $ptr i32) (param $len i32) (result i32)
  (i32.store8 (i32.const 16) (i32.const 1))
  (i32.store8 (i32.const 20) (local.get $kind))
  (i32.store (i32.const 24) (local.get $ptr))
  (i32.store (i32.const 28) (local.get $len))
  (i32.const 16))

(func $invalid (param i32 i32) (result i32)
  (call $error (i32.const 0) (local.get 0) (local.get 1)))

(func $failed (param i32 i32) (result i32)
  (call $error (i32.const 1) (local.get 0) (local.get 1)))

;; Returns the error of a resource that does not exist.
(func $not_found (result i32)
  (call $error (i32.const 0) (i32.const 0) (i32.const 0)))

;; Returns ok(complete) with one text item of a resource.
(func $document (param $uri i32) (param $uri_len i32) (param $ptr i32) (param $len i32) (result i32)
  (i32.store8 (i32.const 16) (i32.const 0))
  (i32.store8 (i32.const 20) (i32.const 0))
  (i32.store (i32.const 24) (i32.const 128))
  (i32.store (i32.const 28) (i32.const 1))
  (i32.store (i32.const 128) (local.get $uri))
  (i32.store (i32.const 132) (local.get $uri_len))
  (i32.store (i32.const 152) (local.get $ptr))
  (i32.store (i32.const 156) (local.get $len))
  (i32.const 16))

;; Returns ok(complete) of a prompt with one user message.
(func $message (param $ptr i32) (param $len i32) (result i32)
  (i32.store8 (i32.const 16) (i32.const 0))
  (i32.store8 (i32.const 20) (i32.const 0))
  (i32.store (i32.const 36) (i32.const 128))
  (i32.store (i32.const 40) (i32.const 1))
  (i32.store (i32.const 144) (local.get $ptr))
  (i32.store (i32.const 148) (local.get $len))
  (i32.const 16))

;; Appends a list of string pairs, such as `a=b;c=d;`.
(func $say_pairs (param $pairs i32) (param $length i32)
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $length)))
      (call $say (i32.load (local.get $pairs)) (i32.load offset=4 (local.get $pairs)))
      (call $say_byte (i32.const 61))
      (call $say (i32.load offset=8 (local.get $pairs)) (i32.load offset=12 (local.get $pairs)))
      (call $say_byte (i32.const 59))
      (local.set $pairs (i32.add (local.get $pairs) (i32.const 16)))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br $next))))

;; Returns pointer and length of the value of one answer.
(func $answer (param $answers i32) (param $index i32) (result i32 i32)
  (i32.load offset=8 (i32.add (local.get $answers) (i32.mul (local.get $index) (i32.const 16))))
  (i32.load offset=12 (i32.add (local.get $answers) (i32.mul (local.get $index) (i32.const 16)))))

;; Appends to the text that $said returns. Other functions access it as `(i32.const 1024) (global.get $said)`.
(func $say (param $ptr i32) (param $len i32)
  (memory.copy (i32.add (i32.const 1024) (global.get $said)) (local.get $ptr) (local.get $len))
  (global.set $said (i32.add (global.get $said) (local.get $len))))

(func $say_number (param $number i64)
  (if (i64.ge_u (local.get $number) (i64.const 10))
    (then (call $say_number (i64.div_u (local.get $number) (i64.const 10)))))
  (i32.store8
    (i32.add (i32.const 1024) (global.get $said))
    (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $number) (i64.const 10)))))
  (global.set $said (i32.add (global.get $said) (i32.const 1))))

(func $say_byte (param $byte i32)
  (i32.store8 (i32.add (i32.const 1024) (global.get $said)) (local.get $byte))
  (global.set $said (i32.add (global.get $said) (i32.const 1))))

(func $said (result i32)
  (call $text (i32.const 1024) (global.get $said)))

;; Computes forever.
(func $spin (result i32)
  (loop $again (br $again))
  (unreachable))

;; Computes for some million loop iterations.
(func $work (param $millions i32)
  (local $left i32)
  (local.set $left (i32.mul (local.get $millions) (i32.const 1000000)))
  (loop $again
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $again (local.get $left))))
