(module
  (func (export "f") (param i32 i64 f32 f64) (result i32 i64 f32 f64)
    (i32.rotl (i32.div_u (local.get 0) (i32.const 7)) (i32.clz (local.get 0)))
    (i64.add (i64.rem_s (local.get 1) (i64.const -3)) (i64.extend32_s (local.get 1)))
    (f32.copysign (f32.sqrt (local.get 2)) (f32.demote_f64 (local.get 3)))
    (f64.min (f64.convert_i64_u (local.get 1)) (f64.nearest (local.get 3))))
  (func (export "convert") (param f64) (result i32)
    (i32.add (i32.trunc_f64_s (local.get 0)) (i32.trunc_sat_f64_u (local.get 0)))))
