;; What the modules of `arena up --demo` share. A module is this and its own part, in `(module …)`.
;;
;; Input comes from the file /ch/in/data, since poll_oneoff waits for files and signals together;
;; output goes out by ch_write_msg. A text is made at 4096, and its end is in $end.
(import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
(import "env" "ch_open" (func $ch_open (param i32 i32 i32) (result i32)))
(import "env" "ch_write_msg" (func $ch_write_msg (param i32 i32 i32) (result i32)))

(memory (export "memory") 1)
(data (i32.const 256) "signals")
(data (i32.const 272) "data")
(data (i32.const 288) "out\00")
(data (i32.const 304) "told to end\0a")

(global $signals (mut i32) (i32.const -1))
(global $in (mut i32) (i32.const -1))
(global $out (mut i32) (i32.const -1))
(global $end (mut i32) (i32.const 4096))

;; Opens the file with this name in a directory, to read it and to wait for it.
(func $open (param $dir i32) (param $name i32) (param $length i32) (result i32)
    (if (call $path_open (local.get $dir) (i32.const 0) (local.get $name) (local.get $length)
            (i32.const 0) (i64.const 0x8000002) (i64.const 0) (i32.const 0) (i32.const 0))
        (then (call $proc_exit (i32.const 1))))
    (i32.load (i32.const 0)))

;; What is there to be read now, at `at`: its size.
(func $read (param $fd i32) (param $at i32) (param $max i32) (result i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $max))
    (if (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
        (then (call $proc_exit (i32.const 1))))
    (i32.load (i32.const 8)))

(func $print_at (param $at i32) (param $size i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $size))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

;; Descriptor 3 is /sys. Those of the channels' directories follow, in their order.
(func $open_signals
    (global.set $signals (call $open (i32.const 3) (i32.const 256) (i32.const 7))))
(func $open_in
    (global.set $in (call $open (i32.const 4) (i32.const 272) (i32.const 4))))
(func $open_out
    (global.set $out (call $ch_open (i32.const 288) (i32.const 1) (i32.const 0)))
    (if (i32.lt_s (global.get $out) (i32.const 0)) (then (call $proc_exit (i32.const 1)))))

;; A subscription of poll_oneoff to a file that can be read.
(func $want (param $at i32) (param $fd i32)
    (i32.store8 offset=8 (local.get $at) (i32.const 1))
    (i32.store offset=16 (local.get $at) (local.get $fd)))

;; Waits for input, or for this many nanoseconds without any input. A signal ends the module.
(func $wait (param $nanoseconds i64)
    (call $want (i32.const 16) (global.get $signals))
    (if (i32.lt_s (global.get $in) (i32.const 0))
        (then
            (i32.store offset=16 (i32.const 64) (i32.const 1)) ;; the monotonic clock
            (i64.store offset=24 (i32.const 64) (local.get $nanoseconds)))
        (else (call $want (i32.const 64) (global.get $in))))
    (drop (call $poll_oneoff (i32.const 16) (i32.const 128) (i32.const 2) (i32.const 8)))
    (if (call $read (global.get $signals) (i32.const 1024) (i32.const 128))
        (then
            (call $print_at (i32.const 304) (i32.const 12))
            (call $proc_exit (i32.const 0)))))

;; The text that is being made.
(func $begin (global.set $end (i32.const 4096)))
(func $put (param $at i32) (param $size i32)
    (memory.copy (global.get $end) (local.get $at) (local.get $size))
    (global.set $end (i32.add (global.get $end) (local.get $size))))
(func $put_number (param $number i32)
    (if (i32.ge_u (local.get $number) (i32.const 10))
        (then (call $put_number (i32.div_u (local.get $number) (i32.const 10)))))
    (i32.store8 (global.get $end)
        (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))
;; If it is refused, the next one may not be.
(func $publish
    (drop (call $ch_write_msg (global.get $out) (i32.const 4096)
        (i32.sub (global.get $end) (i32.const 4096)))))
(func $print
    (i32.store8 (global.get $end) (i32.const 10))
    (call $print_at (i32.const 4096)
        (i32.add (i32.sub (global.get $end) (i32.const 4096)) (i32.const 1))))
