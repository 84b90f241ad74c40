/*
 * torch's quantize and dequantize, element by element. torch multiplies by the float32 reciprocal of the scale and adds
 * the zero point in float32; qengine divides, as ONNX does, and adds in integers. Every element that differs must be
 * explained by that, and is counted.
 */
#include <math.h>
#include <stdlib.h>

#include "support/golden.h"
#include "tensor/tensor.h"

typedef struct tally {
  int64_t elements, reciprocal, zero_point_addition, undefined_conversion;
  unsigned cases, not_applicable;
} tally;

typedef struct parameters {
  qe_qparams_t view;
  float scales[64];
  int32_t zero_points[64];
} parameters;

static void read_parameters(const golden *g, const json_t *c, parameters *p) {
  const json_t *params = json_object_get(c, "params"), *expected = json_object_get(c, "expected");
  p->view = (qe_qparams_t){1, -1, p->scales, p->zero_points};
  qe_tensor_t *scales = golden_tensor(g, c, "inputs", "scales"),
              *zero_points = golden_tensor(g, c, "inputs", "zero_points");
  if (scales != NULL) {
    cr_assert_leq(scales->count, 64);
    p->view.count = (uint32_t)scales->count;
    p->view.axis = (int32_t)golden_number(params, "axis");
    for (int64_t i = 0; i < scales->count; i++) {
      p->scales[i] = (float)qe__tensor_float_at(scales, i);
      p->zero_points[i] = (int32_t)qe__tensor_int_at(zero_points, i);
    }
  } else {
    const json_t *from = json_object_get(params, "scale") != NULL ? params : expected; /* dynamic: torch chose them */
    p->scales[0] = (float)golden_number(from, "scale");
    p->zero_points[0] = (int32_t)golden_number(from, "zero_point");
  }
  qe_tensor_release(&scales);
  qe_tensor_release(&zero_points);
}

static int64_t channel_of(const qe_tensor_t *x, const parameters *p, int64_t index) {
  if (p->view.count == 1) return 0;
  int64_t inner = 1;
  for (uint32_t d = (uint32_t)p->view.axis + 1; d < x->rank; d++) inner *= x->dims[d];
  return index / inner % p->view.count;
}

/* Why torch's code `theirs` differs from `ours` for x. */
static void explain(const char *name, float x, float s, int32_t z, int32_t lo, int32_t hi, int64_t theirs, int64_t ours,
                    tally *t) {
  const float inv = 1.0f / s;
  const float by_inv = rintf(x * inv), by_division = rintf(x / s), sum = (float)z + by_inv;
  if (!(fabsf(sum) < 0x1p63f)) {
    cr_assert_eq(theirs, lo, "%s: %a: torch's undefined conversion ends at the lowest code, found %lld", name,
                 (double)x, (long long)theirs);
    cr_assert_eq(ours, isnan(x) ? z : x > 0 ? hi : lo, "%s: %a -> %lld", name, (double)x, (long long)ours);
    t->undefined_conversion++;
    return;
  }
  const int64_t rounded = (int64_t)sum, clamped = rounded < lo ? lo : rounded > hi ? hi : rounded;
  cr_assert_eq(theirs, clamped, "%s: %a: torch's formula gives %lld, the file says %lld", name, (double)x,
               (long long)clamped, (long long)theirs);
  if (by_inv != by_division) {
    /* One quantum; above 2^24, where floats are further apart than 1, one float. */
    const float step = fmaxf(1.0f, fabsf(nextafterf(by_division, by_inv) - by_division));
    cr_assert_leq(fabsf(by_inv - by_division), step, "%s: %a / %a: %a and %a", name, (double)x, (double)s,
                  (double)by_inv, (double)by_division);
    if (fabsf(by_division) < 0x1p24f && abs(z) < 1 << 23) {
      cr_assert_eq(llabs(ours - theirs), 1, "%s: %a: %lld and %lld", name, (double)x, (long long)ours,
                   (long long)theirs);
    }
    t->reciprocal++;
    return;
  }
  cr_assert_neq((double)sum, (double)z + (double)by_inv,
                "%s: %a / %a + %d: torch %lld, here %lld, and nothing explains it", name, (double)x, (double)s, z,
                (long long)theirs, (long long)ours);
  t->zero_point_addition++;
}

static void check_quantize(const golden *g, const json_t *c, tally *t) {
  const char *name = golden_text(c, "name");
  const qe_dtype_t dtype = qe__dtype_from_name(golden_text(json_object_get(c, "params"), "dtype"));
  parameters p;
  read_parameters(g, c, &p);
  qe_tensor_t *x = golden_tensor(g, c, "inputs", "x"), *q = golden_tensor(g, c, "expected", "q"), *ours;
  cr_assert(x != NULL && q != NULL, "%s", name);
  cr_assert_eq(qe_quantize(x, dtype, &p.view, &ours), QE_OK, "%s: %s", name, qe_last_error());
  cr_assert_eq(ours->count, q->count);
  int32_t lo = 0, hi = 0;
  qe__dtype_integer_range(dtype, &lo, &hi);
  for (int64_t i = 0; i < q->count; i++) {
    const int64_t a = qe__tensor_int_at(ours, i), b = qe__tensor_int_at(q, i), ch = channel_of(x, &p, i);
    if (a != b) explain(name, ((float *)x->data)[i], p.scales[ch], p.zero_points[ch], lo, hi, b, a, t);
  }
  t->elements += q->count;
  qe_tensor_release(&x);
  qe_tensor_release(&q);
  qe_tensor_release(&ours);
}

/* Dequantizing torch's own codes must give torch's numbers, bit for bit. */
static void check_dequantize(const golden *g, const json_t *c, const char *section) {
  const char *name = golden_text(c, "name");
  parameters p;
  read_parameters(g, c, &p);
  qe_tensor_t *q = golden_tensor(g, c, section, "q"), *expected = golden_tensor(g, c, "expected", "dq"), *found;
  if (q != NULL && expected != NULL) {
    cr_assert_eq(qe_tensor_set_qparams(q, &p.view), QE_OK, "%s: %s", name, qe_last_error());
    cr_assert_eq(qe_dequantize(q, &found), QE_OK, "%s", qe_last_error());
    for (int64_t i = 0; i < q->count; i++) {
      const float a = ((float *)found->data)[i], b = ((float *)expected->data)[i];
      cr_assert_eq(memcmp(&a, &b, sizeof a), 0, "%s: element %lld, code %lld: %a, torch %a", name, (long long)i,
                   (long long)qe__tensor_int_at(q, i), (double)a, (double)b);
    }
    qe_tensor_release(&found);
  }
  qe_tensor_release(&q);
  qe_tensor_release(&expected);
}

Test(golden, quantize) {
  golden g;
  golden_open(&g, "quantize");
  tally t = {0};
  for (size_t i = 0; i < golden_count(&g); i++) {
    const json_t *c = golden_case(&g, i);
    const char *op = golden_text(c, "op");
    /* Float zero points and the range search of torch's dynamic ops: no such operations here. */
    if (strcmp(op, "quantize_per_channel_float_qparams") == 0 || strcmp(op, "choose_qparams_per_tensor") == 0) {
      t.not_applicable++;
      continue;
    }
    t.cases++;
    if (strcmp(op, "dequantize_per_tensor") == 0) {
      check_dequantize(&g, c, "inputs");
    } else {
      check_quantize(&g, c, &t);
      check_dequantize(&g, c, "expected");
    }
  }
  fprintf(stderr,
          "golden quantize: %u cases, %lld elements; %lld differ by the reciprocal, %lld by torch's float zero point "
          "addition, "
          "%lld by torch's undefined conversion of huge values; not applicable: %u cases\n",
          t.cases, (long long)t.elements, (long long)t.reciprocal, (long long)t.zero_point_addition,
          (long long)t.undefined_conversion, t.not_applicable);
  cr_assert_gt(t.cases, 100u);
  golden_close(&g);
}
