/* erf and tanh of the float contract on vectors: what plugins/reference/erf_tanh.h says, with the tables looked up by lane. */
#ifndef QE_CPU_FLOAT_ERF_TANH_H
#define QE_CPU_FLOAT_ERF_TANH_H

#include "float/vec.h"

/* clang-format off */
static _Alignas(32) const float erf_pieces[9][8] = {
  {0x0p+0f, 0x1.7ccp-1f, 0x1.409p+0f, 0x1.c11p+0f, 0x1.1f68p+1f, 0x1.5e08p+1f, 0x1.9f08p+1f, 0x1.d3bp+1f},
  {0x0p+0f, -0x1.2bcep-5f, -0x1.50ab68p-2f, -0x1.88d678p-1f, -0x1.3f320ep+0f, -0x1.bc1736p+0f, -0x1.1f0826p+1f, -0x1.53b002p+1f},
  {0x1.06ebaap-3f, -0x1.675deap-2f, -0x1.8790aep-1f, -0x1.e55e8cp-1f, -0x1.fc441ep-1f, -0x1.ffac64p-1f, -0x1.fffbfcp-1f, -0x1.ffffc4p-1f},
  {-0x1.fac29ap-20f, -0x1.ee417cp-2f, -0x1.2d9ddep-2f, -0x1.75b6aep-4f, -0x1.0c4968p-6f, -0x1.c94d12p-10f, -0x1.a0a2aap-14f, -0x1.aa0a62p-18f},
  {-0x1.811926p-2f, 0x1.77df76p-6f, 0x1.56ff2ep-3f, 0x1.6e01e4p-4f, 0x1.69ca8cp-6f, 0x1.84dcbp-9f, 0x1.b1937ap-13f, 0x1.10c94ep-16f},
  {-0x1.39c43ep-11f, 0x1.3801ap-3f, -0x1.b3cfc6p-8f, -0x1.88ea66p-5f, -0x1.3cd1c6p-6f, -0x1.c7282cp-9f, -0x1.3b041ap-12f, -0x1.59eca8p-15f},
  {0x1.db1938p-4f, -0x1.ab9002p-5f, -0x1.802642p-5f, 0x1.c5253ep-8f, 0x1.5ef322p-7f, 0x1.7fd554p-9f, 0x1.1ba91ep-12f, 0x1.e9459p-16f},
  {-0x1.0c4702p-7f, -0x1.c0514ap-6f, 0x1.528d3ep-6f, 0x1.2203acp-7f, -0x1.688c26p-9f, -0x1.ce782cp-10f, -0x1.1863c8p-12f, 0x1.409da2p-12f},
  {-0x1.24b20cp-6f, 0x1.255084p-6f, 0x1.d476e6p-9f, -0x1.aca02p-8f, -0x1.062e4cp-11f, 0x1.199f58p-11f, 0x1.47ce2cp-11f, -0x1.659612p-11f},
};
static _Alignas(32) const float tanh_pieces[9][8] = {
  {0x1.d5cp-1f, 0x1.814p+0f, 0x1.3388p+1f, 0x1.ce18p+1f, 0x1.5bcp+2f, 0x1.e808p+2f, 0x0p+0f, 0x1.d18p-2f},
  {-0x1.8acecp-3f, -0x1.329d44p-1f, -0x1.6b3868p+0f, -0x1.4e47eap+1f, -0x1.1bc0ap+2f, -0x1.a80802p+2f, 0x0p+0f, -0x1.d9e98p-6f},
  {-0x1.0ce65ap-1f, -0x1.a44af6p-1f, -0x1.ef80f4p-1f, -0x1.fe80f8p-1f, -0x1.fff6p-1f, -0x1.ffffep-1f, 0x1.4b4306p-31f, -0x1.7313e6p-3f},
  {-0x1.605a32p-2f, -0x1.4c5b3ap-3f, -0x1.03a5c4p-5f, -0x1.7e7ac8p-9f, -0x1.40a836p-14f, -0x1.fbd99ap-21f, -0x1.9c57fep-23f, -0x1.64e732p-2f},
  {0x1.7528dap-4f, 0x1.65b15p-4f, 0x1.4ee9bap-6f, 0x1.fc7ed8p-10f, 0x1.aaf82p-15f, 0x1.4fab5ap-21f, -0x1.5552bcp-2f, -0x1.fe45a2p-4f},
  {0x1.8f70a6p-5f, -0x1.9a3088p-6f, -0x1.392532p-7f, -0x1.f8ed2ap-11f, -0x1.9fa7bcp-16f, -0x1.5f1b9ep-22f, -0x1.8e9ee6p-13f, 0x1.5a83bp-3f},
  {-0x1.c4d8e8p-5f, -0x1.404a9p-9f, 0x1.aff5c4p-9f, 0x1.8f2a6p-12f, 0x1.4fc89cp-17f, 0x1.32a4dap-23f, 0x1.148c14p-3f, -0x1.8e30bep-7f},
  {0x1.db7fa6p-7f, 0x1.d36c08p-8f, -0x1.71640ep-11f, -0x1.0f24a4p-13f, -0x1.14fff4p-18f, -0x1.5f74b2p-25f, -0x1.e691dap-8f, -0x1.dd399cp-5f},
  {0x1.33706cp-7f, -0x1.02f6f4p-8f, 0x1.30299cp-17f, 0x1.240e6ep-15f, 0x1.312088p-20f, 0x1.329a74p-28f, -0x1.4a38ep-5f, 0x1.5421f4p-6f},
};
/* clang-format on */

static FBV_INLINE fb_f fbv_piecewise(fb_f x, const float table[9][8], float k, int shift, float limit) {
  const fb_f a = fbv_min(fbv_set1(limit), fbv_abs(x));
  const fb_i piece = fbv_shift_right_i(fbv_as_i(fbv_fma(a, fbv_set1(k), fbv_set1(1.0f))), shift);
  const fb_f d = a - fbv_lookup(table[0], piece);
  fb_f p = fbv_lookup(table[8], piece);
  for (int row = 7; row >= 2; --row) p = fbv_fma(p, d, fbv_lookup(table[row], piece));
  p = fbv_fma(p, d, a + fbv_lookup(table[1], piece));
  return fbv_as_f(fbv_and_or_i(fbv_as_i(x), fbv_set1_i(INT32_MIN), fbv_as_i(p)));
}

static FBV_INLINE fb_f fbv_erf(fb_f x) { return fbv_piecewise(x, erf_pieces, 0.25f, 20, 3.9375f); }
static FBV_INLINE fb_f fbv_tanh(fb_f x) { return fbv_piecewise(x, tanh_pieces, 1.65625f, 22, 8.96875f); }

#endif
