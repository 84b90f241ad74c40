/* erf and tanh of the contract against double precision, in units in the last place, over a sample of all magnitudes. */
#include <float.h>

#include "naive.h"
#include "support/kernel_host.h"

enum { STEP = 4099, N = 0x41200000 / STEP }; /* every 4099th float32 from 0 to 10 */

static double ulp(double y) {
  int exponent;
  frexp(y, &exponent);
  return ldexp(1.0, exponent > -125 ? exponent - 24 : -149);
}

static void check(const char *op, double (*f)(double), double bound) {
  static float x[N + 6], y[N + 6];
  for (uint32_t i = 0; i < N; ++i) {
    const uint32_t bits = i * STEP | (i & 1) << 31;
    memcpy(&x[i], &bits, sizeof bits);
  }
  const float special[6] = {0.0f, -0.0f, 0x1p-149f, -INFINITY, INFINITY, FLT_MAX};
  memcpy(x + N, special, sizeof special);
  kh_case c = kh_new(op);
  kh_in(&c, KH_F32(x, N + 6));
  kh_out(&c, KH_F32(y, N + 6));
  kh_run(&c);
  double worst = 0.0;
  for (int i = 0; i < N + 6; ++i) {
    const double expected = f((double)x[i]), error = fabs((double)y[i] - expected) / ulp(expected);
    worst = fmax(worst, error);
    cr_assert(error <= bound, "%s(%a): %a, %g ulp from %a", op, (double)x[i], (double)y[i], error, expected);
    cr_assert(fabsf(y[i]) <= 1.0f && !signbit(x[i]) == !signbit(y[i]), "%s(%a): %a", op, (double)x[i], (double)y[i]);
  }
  cr_assert(worst > bound / 2, "%s: at most %g ulp, so that the bound of %g says little", op, worst, bound);
  const float expected[6] = {0.0f, -0.0f, 0x1p-149f, -1.0f, 1.0f, 1.0f};
  kh_same_f32(expected, y + N, 6, op);
}

Test(reference_erf_tanh, erf_is_within_0_8_ulp) { check("Erf", erf, 0.8); }
Test(reference_erf_tanh, tanh_is_within_1_32_ulp) { check("Tanh", tanh, 1.32); }
