/* The sample models, and single tensors. */
#include <criterion/criterion.h>
#include <string.h>

#include "graph/model.h"
#include "onnx_util.h"
#include "support/scratch.h"

#define OK(expr) cr_assert_eq((expr), QE_OK, "%s: %s", #expr, qe_last_error())

static bool have_models(void) {
  FILE *f = fopen(QE_SOURCE_DIR "/../shared/models/digits_resnet.onnx", "rb");
  if (f != NULL) fclose(f);
  return f != NULL;
}

Test(onnx_models, load_and_round_trip) {
  static const char *const names[] = {"digits_resnet", "digits_mobilenet", "char_lstm", "tiny_transformer"};
  if (!have_models()) cr_skip_test("skipped: ../shared/models is not there");
  for (size_t i = 0; i < 4; i++) {
    qe_model_t *m = NULL;
    char path[512], hash[65];
    snprintf(path, sizeof path, "%s/../shared/models/%s.onnx", QE_SOURCE_DIR, names[i]);
    OK(qe_model_load(path, &m));
    qe_model_hash(m, hash);
    cr_assert_eq(strlen(hash), 64u);
    for (int format = 0; format < 2; format++) {
      qe__graph *back = round_trip(m->graph, (qe_format_t)format);
      const char *difference = graph_difference(m->graph, back);
      cr_assert_null(difference, "%s: %s", names[i], difference);
      qe__graph_destroy(&back);
    }
    qe_model_destroy(&m);
  }
}

Test(onnx_tensor, typed_fields) {
  static const struct { int type; qe_status_t status; double second; } cases[] = {
      {QE_INT8, QE_OK, -5},           {QE_INT16, QE_OK, -5},         {QE_INT32, QE_OK, -5},
      {QE_UINT8, QE_ERROR_FORMAT, 0}, {QE_BOOL, QE_ERROR_FORMAT, 0}, {QE_FLOAT32, QE_ERROR_FORMAT, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    int64_t dims[1] = {2};
    int32_t data[2] = {1, -5};
    p.has_data_type = 1;
    p.data_type = cases[i].type;
    p.n_dims = 1;
    p.dims = dims;
    p.n_int32_data = 2;
    p.int32_data = data;
    unsigned char bytes[256];
    const size_t n = onnx__tensor_proto__pack(&p, bytes);
    qe_tensor_t *t = NULL;
    const qe_status_t status = qe__onnx_tensor_parse(bytes, n, "t.pb", &t);
    cr_assert_eq(status, cases[i].status, "type %d: %s", cases[i].type, qe_last_error());
    if (status == QE_OK) cr_assert_eq(qe__tensor_float_at(t, 1), cases[i].second);
    else cr_assert_not_null(strstr(qe_last_error(), "t.pb"), "%s", qe_last_error());
    qe_tensor_release(&t);
  }
}

Test(onnx_tensor, other_fields_and_four_bits) {
  unsigned char bytes[256];
  qe_tensor_t *t = NULL;
  Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
  int64_t dims[1] = {3}, longs[3] = {1, -2, INT64_MIN};
  p.has_data_type = 1;
  p.data_type = QE_INT64;
  p.n_dims = 1;
  p.dims = dims;
  p.n_int64_data = 3;
  p.int64_data = longs;
  OK(qe__onnx_tensor_parse(bytes, onnx__tensor_proto__pack(&p, bytes), "t", &t));
  cr_assert_eq(qe__tensor_int_at(t, 2), INT64_MIN);
  qe_tensor_release(&t);

  uint8_t nibbles[2] = {0x8f, 0x07}; /* -1, -8, 7 */
  p.data_type = QE_INT4;
  p.n_int64_data = 0;
  p.has_raw_data = 1;
  p.raw_data = (ProtobufCBinaryData){2, nibbles};
  OK(qe__onnx_tensor_parse(bytes, onnx__tensor_proto__pack(&p, bytes), "t", &t));
  cr_assert_eq(qe__tensor_int_at(t, 0), -1);
  cr_assert_eq(qe__tensor_int_at(t, 1), -8);
  cr_assert_eq(qe__tensor_int_at(t, 2), 7);
  qe_tensor_release(&t);
}
