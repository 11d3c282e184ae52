(global $bucket (mut i32) (i32.const 0))

;; Appends `E`, the index of the error at this address, and its text.
(func $say_failure (param $at i32)
  (call $say_byte (i32.const 69))
  (call $say_number (i64.load8_u (local.get $at)))
  (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 2))
    (then
      (call $say_byte (i32.const 32))
      (call $say (i32.load offset=4 (local.get $at)) (i32.load offset=8 (local.get $at))))))

;; Appends `ok` or the error.
(func $say_done (param $at i32)
  (if (i32.load8_u (local.get $at))
    (then (call $say_failure (i32.add (local.get $at) (i32.const 4))))
    (else (call $say_byte (i32.const 111)) (call $say_byte (i32.const 107)))))

(func $open_bucket (param $name i32) (param $len i32) (result i32)
  (call $open (local.get $name) (local.get $len) (i32.const 256))
  (if (i32.load8_u (i32.const 256))
    (then (call $say_failure (i32.const 260)) (return (i32.const 0))))
  (global.set $bucket (i32.load (i32.const 260)))
  (i32.const 1))

(func $set_key (param $key i32) (param $len i32)
  (call $set (global.get $bucket) (local.get $key) (local.get $len) (local.get $key) (local.get $len) (i32.const 256))
  (call $say_done (i32.const 256)))

(func $set_large (param $key i32) (param $len i32) (param $value_len i32)
  (call $set (global.get $bucket) (local.get $key) (local.get $len) (i32.const 65536) (local.get $value_len)
    (i32.const 256))
  (call $say_done (i32.const 256)))

(func $get_key (param $key i32) (param $len i32)
  (call $get (global.get $bucket) (local.get $key) (local.get $len) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_failure (i32.const 260)) (return)))
  (if (i32.load8_u (i32.const 260))
    (then (call $say (i32.load (i32.const 264)) (i32.load (i32.const 268))))
    (else
      (call $say_byte (i32.const 110)) (call $say_byte (i32.const 111))
      (call $say_byte (i32.const 110)) (call $say_byte (i32.const 101)))))

(func $exists_key (param $key i32) (param $len i32)
  (call $exists (global.get $bucket) (local.get $key) (local.get $len) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_failure (i32.const 260)) (return)))
  (call $say_number (i64.load8_u (i32.const 260))))

(func $delete_key (param $key i32) (param $len i32)
  (call $delete (global.get $bucket) (local.get $key) (local.get $len) (i32.const 256))
  (call $say_done (i32.const 256)))

(func $count_key (param $key i32) (param $len i32)
  (call $increment (global.get $bucket) (local.get $key) (local.get $len) (i64.const 7) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_failure (i32.const 264)) (return)))
  (call $say_number (i64.load (i32.const 264))))

;; Appends every key of the first page.
(func $list_all
  (local $at i32) (local $left i32)
  (call $list (global.get $bucket) (i32.const 0) (i64.const 0) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_failure (i32.const 264)) (return)))
  (local.set $at (i32.load (i32.const 264)))
  (local.set $left (i32.load (i32.const 268)))
  (block $end
    (loop $next
      (br_if $end (i32.eqz (local.get $left)))
      (call $say (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
      (call $say_byte (i32.const 32))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next))))

;; Writes `count` entries of `size` bytes at 131072. Each starts with a key of four digits, counting up from `first`.
(func $keys (param $first i32) (param $count i32) (param $size i32)
  (local $n i32) (local $entry i32) (local $digits i32)
  (loop $next
    (local.set $entry (i32.add (i32.const 131072) (i32.mul (local.get $n) (local.get $size))))
    (local.set $digits (i32.add (i32.const 262144) (i32.mul (local.get $n) (i32.const 4))))
    (i32.store8 (local.get $digits)
      (i32.add (i32.const 48) (i32.div_u (i32.add (local.get $first) (local.get $n)) (i32.const 1000))))
    (i32.store8 offset=1 (local.get $digits)
      (i32.add (i32.const 48)
        (i32.rem_u (i32.div_u (i32.add (local.get $first) (local.get $n)) (i32.const 100)) (i32.const 10))))
    (i32.store8 offset=2 (local.get $digits)
      (i32.add (i32.const 48)
        (i32.rem_u (i32.div_u (i32.add (local.get $first) (local.get $n)) (i32.const 10)) (i32.const 10))))
    (i32.store8 offset=3 (local.get $digits)
      (i32.add (i32.const 48) (i32.rem_u (i32.add (local.get $first) (local.get $n)) (i32.const 10))))
    (i32.store (local.get $entry) (local.get $digits))
    (i32.store offset=4 (local.get $entry) (i32.const 4))
    (if (i32.eq (local.get $size) (i32.const 16))
      (then
        (i32.store offset=8 (local.get $entry) (local.get $digits))
        (i32.store offset=12 (local.get $entry) (i32.const 4))))
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $n) (local.get $count)))))

;; Sets 2500 keys.
(func $fill
  (call $keys (i32.const 0) (i32.const 1000) (i32.const 16))
  (call $set_many (global.get $bucket) (i32.const 131072) (i32.const 1000) (i32.const 256))
  (call $say_done (i32.const 256))
  (call $keys (i32.const 1000) (i32.const 1000) (i32.const 16))
  (call $set_many (global.get $bucket) (i32.const 131072) (i32.const 1000) (i32.const 256))
  (call $say_done (i32.const 256))
  (call $keys (i32.const 2000) (i32.const 500) (i32.const 16))
  (call $set_many (global.get $bucket) (i32.const 131072) (i32.const 500) (i32.const 256))
  (call $say_done (i32.const 256)))

(func $clear
  (call $keys (i32.const 0) (i32.const 1000) (i32.const 8))
  (call $delete_many (global.get $bucket) (i32.const 131072) (i32.const 1000) (i32.const 256))
  (call $say_done (i32.const 256)))

(func $too_many
  (call $keys (i32.const 0) (i32.const 1001) (i32.const 16))
  (call $set_many (global.get $bucket) (i32.const 131072) (i32.const 1001) (i32.const 256))
  (call $say_done (i32.const 256)))

;; Sets $count keys to the same value of $value_len bytes, in one batch.
(func $set_batch (param $count i32) (param $value_len i32)
  (local $entry i32)
  (call $keys (i32.const 0) (local.get $count) (i32.const 16))
  (local.set $entry (i32.const 131072))
  (loop $next
    (i32.store offset=8 (local.get $entry) (i32.const 65536))
    (i32.store offset=12 (local.get $entry) (local.get $value_len))
    (local.set $entry (i32.add (local.get $entry) (i32.const 16)))
    (br_if $next (i32.lt_u (local.get $entry)
      (i32.add (i32.const 131072) (i32.mul (local.get $count) (i32.const 16))))))
  (call $set_many (global.get $bucket) (i32.const 131072) (local.get $count) (i32.const 256))
  (call $say_done (i32.const 256)))

;; Appends the number of keys of each page, and the sum of all keys.
(func $pages
  (local $at i32) (local $left i32) (local $some i32) (local $cursor i64) (local $sum i64) (local $key i32)
  (loop $page
    (call $list (global.get $bucket) (local.get $some) (local.get $cursor) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then (call $say_failure (i32.const 264)) (return)))
    (local.set $at (i32.load (i32.const 264)))
    (local.set $left (i32.load (i32.const 268)))
    (call $say_number (i64.load32_u (i32.const 268)))
    (call $say_byte (i32.const 32))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $left)))
        (local.set $key (i32.load (local.get $at)))
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u
          (i32.add
            (i32.add
              (i32.mul (i32.sub (i32.load8_u (local.get $key)) (i32.const 48)) (i32.const 1000))
              (i32.mul (i32.sub (i32.load8_u offset=1 (local.get $key)) (i32.const 48)) (i32.const 100)))
            (i32.add
              (i32.mul (i32.sub (i32.load8_u offset=2 (local.get $key)) (i32.const 48)) (i32.const 10))
              (i32.sub (i32.load8_u offset=3 (local.get $key)) (i32.const 48)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (local.set $some (i32.load8_u (i32.const 272)))
    (local.set $cursor (i64.load (i32.const 280)))
    (br_if $page (local.get $some)))
  (call $say_number (local.get $sum)))

;; Gets a batch of the key, a missing key and the key again. Appends each value, `-` for a missing one.
(func $get_many_keys (param $key i32) (param $len i32)
  (local $at i32) (local $left i32)
  (i32.store (i32.const 512) (local.get $key))
  (i32.store (i32.const 516) (local.get $len))
  (i32.store (i32.const 520) (local.get $key))
  (i32.store (i32.const 524) (i32.const 1))
  (i32.store (i32.const 528) (local.get $key))
  (i32.store (i32.const 532) (local.get $len))
  (call $get_many (global.get $bucket) (i32.const 512) (i32.const 3) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_failure (i32.const 260)) (return)))
  (local.set $at (i32.load (i32.const 260)))
  (local.set $left (i32.load (i32.const 264)))
  (loop $next
    (if (i32.load8_u (local.get $at))
      (then
        (call $say (i32.load offset=12 (local.get $at)) (i32.load offset=16 (local.get $at))))
      (else (call $say_byte (i32.const 45))))
    (local.set $at (i32.add (local.get $at) (i32.const 20)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $next (local.get $left))))

;; Gets the key nine times in one batch.
(func $get_lots (param $key i32) (param $len i32)
  (local $at i32)
  (local.set $at (i32.const 512))
  (loop $next
    (i32.store (local.get $at) (local.get $key))
    (i32.store offset=4 (local.get $at) (local.get $len))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 584))))
  (call $get_many (global.get $bucket) (i32.const 512) (i32.const 9) (i32.const 256))
  (if (i32.load8_u (i32.const 256))
    (then (call $say_failure (i32.const 260)))
    (else (call $say_number (i64.load32_u (i32.const 264))))))
