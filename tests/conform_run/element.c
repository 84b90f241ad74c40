/* Elements of tensors compared as bits. */
#include "conform/model_element.h"

#include <criterion/criterion.h>
#include <string.h>

static qe_tensor_t *tensor(qe_dtype_t dtype, int64_t n, const void *data) {
  qe_tensor_t *t = NULL;
  cr_assert_eq(qe_tensor_from_data(dtype, 1, &n, data, &t), QE_OK, "%s", qe_last_error());
  return t;
}

static void expect(qe_dtype_t dtype, int64_t n, const void *x, const void *y, int64_t wrong, int64_t first,
                   const char *text) {
  qe_tensor_t *a = tensor(dtype, n, x), *b = tensor(dtype, n, y);
  int64_t found, at;
  char shown[32] = "";
  qe__count_different(a, b, &found, &at);
  if (at >= 0) qe__element_text(b, at, shown, sizeof shown);
  cr_assert_eq(found, wrong, "%s: %lld differ, expected %lld", qe_dtype_name(dtype), (long long)found,
               (long long)wrong);
  cr_assert_eq(at, first, "%s: the first is %lld, expected %lld", qe_dtype_name(dtype), (long long)at,
               (long long)first);
  cr_assert_str_eq(shown, text);
  qe_tensor_release(&a);
  qe_tensor_release(&b);
}

Test(element, bits_decide) {
  expect(QE_UINT8, 3, (uint8_t[]){1, 2, 3}, (uint8_t[]){1, 255, 4}, 2, 1, "255");
  expect(QE_INT8, 2, (int8_t[]){1, 2}, (int8_t[]){1, -2}, 1, 1, "-2");
  expect(QE_FLOAT32, 2, (float[]){0.0f, 1.0f}, (float[]){-0.0f, 1.0f}, 1, 0, "-0");
  expect(QE_INT64, 1, (int64_t[]){INT64_MIN}, (int64_t[]){INT64_MIN}, 0, -1, "");
  expect(QE_UINT4, 3, (uint8_t[]){0x21, 0x03}, (uint8_t[]){0x21, 0x0f}, 1, 2, "15");
  expect(QE_INT4, 3, (uint8_t[]){0x21, 0x03}, (uint8_t[]){0xf1, 0x03}, 1, 1, "-1");
  expect(QE_UINT4, 3, (uint8_t[]){0x21, 0x03}, (uint8_t[]){0x21, 0x93}, 0, -1, ""); /* the last half byte is nobody's */
}

Test(element, other_types_differ_in_all) {
  qe_tensor_t *a = tensor(QE_UINT8, 2, "ab"), *b = tensor(QE_INT8, 2, "ab"), *c = tensor(QE_UINT8, 1, "a");
  int64_t count, first;
  qe__count_different(a, b, &count, &first);
  cr_assert_eq(count, 2);
  cr_assert_eq(first, -1);
  qe__count_different(a, c, &count, &first);
  cr_assert_eq(count, 2);
  qe_tensor_release(&a);
  qe_tensor_release(&b);
  qe_tensor_release(&c);
}
