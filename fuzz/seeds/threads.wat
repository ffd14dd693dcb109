(module
  (import "env" "memory" (memory 1 2 shared))
  (func (export "count") (result i32)
    (atomic.fence)
    (drop (i64.atomic.rmw.cmpxchg (i32.const 8) (i64.const 0) (i64.const 1)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const 0)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
    (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))
