(module
  (memory 1)
  (func (export "lanes") (param v128 i32) (result v128)
    (i8x16.swizzle
      (i32x4.add (local.get 0) (i32x4.splat (local.get 1)))
      (v128.load8_splat (local.get 1)))
    (v128.const i64x2 1 -1)
    (i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31)
    (f32x4.min (v128.load32_zero (i32.const 4)))
    (v128.bitselect (local.get 0) (v128.not (local.get 0)))
    (i16x8.q15mulr_sat_s (local.get 0))))
