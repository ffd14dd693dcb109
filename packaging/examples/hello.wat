;; A module to try a runtime with: arena deploy --wait hello.wat
(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    ;; What to write: where it is, and how long it is.
    (data (i32.const 0) "\08\00\00\00\19\00\00\00Hello from this machine!\n")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 40)))))
