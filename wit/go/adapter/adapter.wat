;; WASI preview 1, which Go programs import, on WASI 0.2: clocks, random numbers, sleep, standard error. There are no arguments,
;; no environment, no files and no sockets. `wasm-tools component new --adapt` links it with the program.
;;
;; The adapter of wasmtime, wasi_snapshot_preview1.reactor.wasm, has files and an environment too.
(module
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $get_stderr (result i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic_now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe_duration (param i64) (result i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall_now (param i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop_stream (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
  (import "env" "memory" (memory 0))

  ;; Go's linker places data from 12288 on, and WASI programs do not use the bytes from 4096 to there.
  (global $scratch i32 (i32.const 4096))
  ;; Errors of preview 1.
  (global $ebadf i32 (i32.const 8))
  (global $enosys i32 (i32.const 52))
  ;; The longest piece that `blocking-write-and-flush` takes.
  (global $max_write_bytes i32 (i32.const 4096))

  ;; While the program allocates for the host, it must not call the host; Go's garbage collector asks for the time then.
  (global $is_paused (mut i32) (i32.const 0))
  (global $last_monotonic (mut i64) (i64.const 0))
  (global $last_wall (mut i64) (i64.const 0))

  (func (export "adapter_monotonic_clock_set_paused") (param $paused i32)
    (global.set $is_paused (local.get $paused)))

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $time i32) (result i32)
    (if (local.get $clock)
      (then
        (if (i32.eqz (global.get $is_paused))
          (then (global.set $last_monotonic (call $monotonic_now))))
        (i64.store (local.get $time) (global.get $last_monotonic)))
      (else
        (if (i32.eqz (global.get $is_paused))
          (then
            (call $wall_now (global.get $scratch))
            (global.set $last_wall
              (i64.add
                (i64.mul (i64.load (global.get $scratch)) (i64.const 1000000000))
                (i64.load32_u offset=8 (global.get $scratch))))))
        (i64.store (local.get $time) (global.get $last_wall))))
    (i32.const 0))

  (func (export "random_get") (param $to i32) (param $length i32) (result i32)
    (local $bits i64) (local $count i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        ;; A number of 64 bits has eight bytes.
        (if (i32.eqz (local.get $count))
          (then
            (local.set $bits (call $random))
            (local.set $count (i32.const 8))))
        (i64.store8 (local.get $to) (local.get $bits))
        (local.set $bits (i64.shr_u (local.get $bits) (i64.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; Sleeps. Of the subscriptions (48 bytes each), only one to a clock can happen.
  (func (export "poll_oneoff")
    (param $subscriptions i32) (param $events i32) (param $length i32) (param $count i32) (result i32)
    (local $pollable i32) (local $time i64) (local $now i64)
    (block $found
      (loop $next
        (if (i32.eqz (local.get $length)) (then (return (global.get $enosys))))
        (br_if $found (i32.eqz (i32.load8_u offset=8 (local.get $subscriptions))))
        (local.set $subscriptions (i32.add (local.get $subscriptions) (i32.const 48)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (local.set $time (i64.load offset=24 (local.get $subscriptions)))
    ;; The flag 1 means that the time is absolute.
    (if (i32.and (i32.load16_u offset=40 (local.get $subscriptions)) (i32.const 1))
      (then
        (local.set $now (call $monotonic_now))
        (local.set $time
          (select
            (i64.sub (local.get $time) (local.get $now))
            (i64.const 0)
            (i64.gt_u (local.get $time) (local.get $now))))))
    (local.set $pollable (call $subscribe_duration (local.get $time)))
    (call $block (local.get $pollable))
    (call $drop_pollable (local.get $pollable))
    (i64.store (local.get $events) (i64.load (local.get $subscriptions)))
    (i64.store offset=8 (local.get $events) (i64.const 0))
    (i32.store (local.get $count) (i32.const 1))
    (i32.const 0))

  ;; Writes a list of buffers to standard error, which is where Go writes a panic. Standard output goes there too.
  (func (export "fd_write")
    (param $descriptor i32) (param $buffers i32) (param $length i32) (param $written i32) (result i32)
    (local $stream i32) (local $at i32) (local $left i32) (local $piece i32) (local $total i32)
    (if (i32.gt_u (i32.sub (local.get $descriptor) (i32.const 1)) (i32.const 1))
      (then (return (global.get $ebadf))))
    (local.set $stream (call $get_stderr))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $at (i32.load (local.get $buffers)))
        (local.set $left (i32.load offset=4 (local.get $buffers)))
        (local.set $total (i32.add (local.get $total) (local.get $left)))
        (block $written_all
          (loop $pieces
            (br_if $written_all (i32.eqz (local.get $left)))
            (local.set $piece
              (select
                (local.get $left)
                (global.get $max_write_bytes)
                (i32.lt_u (local.get $left) (global.get $max_write_bytes))))
            ;; An error means that nobody reads. A resource that it contains ends with the instance.
            (call $write (local.get $stream) (local.get $at) (local.get $piece) (global.get $scratch))
            (local.set $at (i32.add (local.get $at) (local.get $piece)))
            (local.set $left (i32.sub (local.get $left) (local.get $piece)))
            (br $pieces)))
        (local.set $buffers (i32.add (local.get $buffers) (i32.const 8)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
    (call $drop_stream (local.get $stream))
    (i32.store (local.get $written) (local.get $total))
    (i32.const 0))

  ;; Standard input is empty.
  (func (export "fd_read")
    (param $descriptor i32) (param $buffers i32) (param $length i32) (param $read i32) (result i32)
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  ;; The three standard descriptors are character devices with all rights.
  (func (export "fd_fdstat_get") (param $descriptor i32) (param $stat i32) (result i32)
    (if (i32.gt_u (local.get $descriptor) (i32.const 2)) (then (return (global.get $ebadf))))
    (i64.store (local.get $stat) (i64.const 2))
    (i64.store offset=8 (local.get $stat) (i64.const -1))
    (i64.store offset=16 (local.get $stat) (i64.const -1))
    (i32.const 0))

  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 0))
  (func (export "fd_close") (param i32) (result i32) (i32.const 0))
  ;; There are no files, directories and sockets.
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (global.get $ebadf))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (global.get $ebadf))
  (func (export "fd_datasync") (param i32) (result i32) (global.get $ebadf))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (global.get $ebadf))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (global.get $ebadf))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (global.get $ebadf))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (global.get $ebadf))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (global.get $ebadf))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (global.get $ebadf))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (global.get $ebadf))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (global.get $ebadf))
  (func (export "fd_renumber") (param i32 i32) (result i32) (global.get $ebadf))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (global.get $ebadf))
  (func (export "fd_sync") (param i32) (result i32) (global.get $ebadf))
  (func (export "fd_tell") (param i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (global.get $ebadf))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (global.get $ebadf))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (global.get $ebadf))

  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))
  (func (export "proc_exit") (param i32) unreachable))
