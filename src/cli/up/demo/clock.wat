;; Publishes "tick 1", "tick 2" and so on, one each second.
(data (i32.const 512) "tick ")
(func (export "_start") (local $count i32)
    (call $open_signals)
    (call $open_out)
    (loop $forever
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (call $begin)
        (call $put (i32.const 512) (i32.const 5))
        (call $put_number (local.get $count))
        (call $publish)
        (call $print)
        (call $wait (i64.const 1_000_000_000))
        (br $forever)))
