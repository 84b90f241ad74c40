/* A model is the same whether it is read from memory or from a file, in however many parts. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "onnx/skim.h"
#include "onnx_util.h"
#include "support/scratch.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())

enum { WEIGHTS = 300001 }; /* int16: longer than what is read at a time */

static void *large_model(size_t *size) {
  static int16_t w[WEIGHTS];
  proto_model m;
  for (int i = 0; i < WEIGHTS; i++) w[i] = (int16_t)(i * 7);
  proto_open(&m, 13);
  proto_input(&m, "x", QE_FLOAT32, 1, (int64_t[]){4});
  proto_const(&m, "w", QE_INT16, 1, (int64_t[]){WEIGHTS}, w);
  proto_const(&m, "none", QE_FLOAT32, 1, (int64_t[]){0}, w);
  proto_f32(&m, "s", 3.0f);
  proto_node(&m, "", "Mul", "mul", "x s", "y");
  proto_output(&m, "y");
  proto_output(&m, "w");
  void *bytes = proto_pack(&m, size);
  proto_close(&m);
  return bytes;
}

Test(onnx_skim, a_file_gives_what_memory_gives) {
  size_t size;
  void *bytes = large_model(&size);
  scratch s;
  scratch_open(&s);
  const char *path = scratch_file(&s, "m.onnx");
  scratch_write(path, bytes, size);
  qe__file file;
  qe__graph *a = NULL, *b = NULL;
  OK(qe__onnx_import(bytes, size, NULL, "m", &a));
  OK(qe__file_open(path, SIZE_MAX, &file));
  OK(qe__onnx_import_file(&file, NULL, &b));
  qe__file_close(&file);
  const char *difference = graph_difference(a, b);
  cr_assert_null(difference, "%s", difference);
  uint8_t hash[32];
  qe__sha256(bytes, size, hash);
  cr_assert_arr_eq(a->model_hash, hash, sizeof hash);
  cr_assert_arr_eq(b->model_hash, hash, sizeof hash);
  qe__graph_destroy(&a);
  qe__graph_destroy(&b);
  free(bytes);
  scratch_close(&s);
}

Test(onnx_skim, a_file_that_shrinks) {
  size_t size;
  void *bytes = large_model(&size);
  scratch s;
  scratch_open(&s);
  const char *path = scratch_file(&s, "m.onnx");
  scratch_write(path, bytes, size);
  qe__file file;
  qe__graph *g = NULL;
  OK(qe__file_open(path, SIZE_MAX, &file));
  cr_assert_eq(truncate(path, 300000), 0);
  cr_assert_eq(qe__onnx_import_file(&file, NULL, &g), QE_ERROR_IO);
  cr_assert_not_null(strstr(qe_last_error(), "writing"), "%s", qe_last_error());
  cr_assert_null(g);
  qe__file_close(&file);
  free(bytes);
  scratch_close(&s);
}

Test(onnx_skim, made_up_spans_are_refused) {
  const char data[100] = {0};
  const qe__source source = {.data = data, .size = sizeof data};
  const qe__span spans[] = {{101, 0}, {0, 101}, {50, 51}, {UINT64_MAX, 2}, {2, UINT64_MAX}};
  Onnx__TensorProto t = ONNX__TENSOR_PROTO__INIT;
  qe__span out;
  for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
    t.raw_data = (ProtobufCBinaryData){sizeof spans[i], (uint8_t *)(uintptr_t)&spans[i]};
    cr_assert_not(qe__raw_span(&source, &t, &out), "span %zu", i);
  }
  const qe__span whole = {0, 100};
  t.raw_data = (ProtobufCBinaryData){sizeof whole, (uint8_t *)(uintptr_t)&whole};
  cr_assert(qe__raw_span(&source, &t, &out));
  t.raw_data.len--;
  cr_assert_not(qe__raw_span(&source, &t, &out));
}

Test(onnx_skim, keys_beyond_32_bits_are_malformed) {
  const uint8_t bytes[] = {0xca, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00};
  const qe__source source = {.data = bytes, .size = sizeof bytes};
  uint8_t *out;
  size_t size;
  cr_assert_eq(qe__skim(&onnx__tensor_proto__descriptor, &source, "m", NULL, &out, &size), QE_ERROR_FORMAT);
  cr_assert_null(out);
}
