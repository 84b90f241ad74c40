/* GatherGrad: the contract's bits, which for a scatter of sums are also what a double forward pass gives. */
#include "check.h"

static void check(int64_t outer, int64_t size, int64_t inner, int64_t n, bool wide, uint64_t seed) {
  const int64_t axis = outer == 1 ? 0 : 1;
  uint64_t state = seed;
  float *dy = ft_random(&state, outer * n * inner, -1.0f, 1.0f), *dx = ft_floats(outer * size * inner),
        *want = ft_floats(outer * size * inner);
  int64_t *indices = ft_memory((size_t)n * sizeof *indices);
  int32_t *narrow = ft_memory((size_t)n * sizeof *narrow);
  for (int64_t i = 0; i < n; ++i)
    narrow[i] = (int32_t)(indices[i] = kh_int(&state, -size, size - 1));
  const int64_t d_y[3] = {outer, n, inner}, d_x[3] = {outer, size, inner};
  kh_case c = kh_new("GatherGrad");
  kh_in(&c, kh_tensor_make(QE_DT_F32, dy, 3 - (axis == 0), d_y + (axis == 0)));
  kh_in(&c, wide ? KH(QE_DT_I64, indices, n) : KH(QE_DT_I32, narrow, n));
  kh_out(&c, kh_tensor_make(QE_DT_F32, dx, 3 - (axis == 0), d_x + (axis == 0)));
  c.params.axis = axis;
  kh_run(&c);
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t k = 0; k < inner; ++k) {
        float *to = want + (o * size + (indices[i] + size) % size) * inner + k;
        *to = *to + dy[(o * n + i) * inner + k];
      }
  char what[48];
  snprintf(what, sizeof what, "GatherGrad, seed %llu", (unsigned long long)seed);
  kh_same_f32(want, dx, outer * size * inner, what);
}

Test(reference_gather_grad, bits) {
  check(1, 10, 70, 40, true, 1);
  check(3, 5, 9, 17, false, 2);
  check(2, 1, 1, 33, true, 3);
  check(1, 7, 4, 0, true, 4); /* no index: all zero */
  check(0, 7, 4, 3, true, 5);
  check(2, 7, 0, 3, false, 6);
  for (uint64_t seed = 100; seed < 130; ++seed) {
    uint64_t s = seed;
    const int64_t outer = kh_int(&s, 1, 3), size = kh_int(&s, 1, 12), inner = kh_int(&s, 1, 150), n = kh_int(&s, 1, 30);
    check(outer, size, inner, n, seed % 2, seed);
  }
}

Test(reference_gather_grad, an_index_out_of_range_fails) {
  for (int i = 0; i < 2; ++i) {
    float dy[6] = {0}, dx[8];
    const int64_t indices[3] = {1, i ? 4 : -5, 0};
    kh_case c = kh_new("GatherGrad");
    kh_in(&c, KH_F32(dy, 3, 2));
    kh_in(&c, KH(QE_DT_I64, indices, 3));
    kh_out(&c, KH_F32(dx, 4, 2));
    c.may_fail = true;
    cr_assert_neq(kh_run(&c), 0);
  }
}
