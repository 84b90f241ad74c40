/* Qconfig JSON: what is read, what is refused and how, and that writing and reading give back the same. */
#include <criterion/criterion.h>
#include <string.h>

#include "qconfig/mapping.h"
#include "support/scratch.h"

static qe_qconfig_mapping_t *parse(const char *json) {
  qe_qconfig_mapping_t *m;
  cr_assert_eq(qe_qconfig_mapping_parse(json, strlen(json), &m), QE_OK, "%s\n%s", json, qe_last_error());
  return m;
}

static char *dump(const qe_qconfig_mapping_t *m) {
  char *text;
  cr_assert_eq(qe_qconfig_mapping_dump(m, &text), QE_OK, "%s", qe_last_error());
  return text;
}

/* Writing, reading and writing again: the same text. */
static void round_trip(const qe_qconfig_mapping_t *m) {
  char *first = dump(m);
  qe_qconfig_mapping_t *back = parse(first);
  char *second = dump(back);
  cr_expect_str_eq(first, second);
  cr_expect_eq(m->count, back->count);
  qe_string_free(first);
  qe_string_free(second);
  qe_qconfig_mapping_destroy(&back);
}

Test(json, presets_round_trip) {
  for (const char *const *name = qe_qconfig_preset_names(); *name; name++) {
    qe_qconfig_mapping_t *m;
    cr_assert_eq(qe_qconfig_mapping_preset(*name, &m), QE_OK);
    round_trip(m);
    qe_qconfig_mapping_destroy(&m);
  }
}

Test(json, every_field_round_trips) {
  qe_qconfig_t q = {.struct_size = sizeof q};
  qe_qconfig_mapping_t *m, *back;
  qe_observer_config_default(&q.activation);
  strcpy(q.activation.observer, "histogram");
  q.activation.dtype = QE_INT16;
  q.activation.qscheme = QE_PER_TENSOR_SYMMETRIC;
  q.activation.reduce_range = 1;
  q.activation.has_range = 1;
  q.activation.quant_min = -300;
  q.activation.quant_max = 0; /* equal to its default, and still written */
  q.activation.eps = 0.1f;
  q.activation.averaging_constant = 1.0f / 3.0f;
  q.activation.ch_axis = 3;
  q.activation.bins = 77;
  q.activation.upsample_rate = 5;
  q.activation.method = QE_HISTOGRAM_ENTROPY;
  q.activation.percentile = 0.99999994f;
  q.activation.scale = 1.17549435e-38f;
  q.activation.zero_point = -7;
  cr_assert_eq(qe_qconfig_mapping_create(&q, &m), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_qconfig_mapping_set_name(m, "a/\"b\"\n\xc3\xa9", &q), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name_glob(m, "head.*", NULL), QE_OK);
  char *text = dump(m);
  back = parse(text);
  const qe_observer_config_t *a = &q.activation, *b = &back->global.activation;
  cr_expect_eq(memcmp(a, b, sizeof *a), 0, "%s", text);
  cr_expect_str_eq(back->global.weight.observer, "");
  cr_expect_eq(back->count, 2);
  cr_expect_str_eq(back->rules[1].pattern, "a/\"b\"\n\xc3\xa9");
  cr_expect_eq(memcmp(&back->rules[1].qconfig.activation, a, sizeof *a), 0);
  cr_expect_not(back->rules[0].quantize);
  qe_string_free(text);
  qe_qconfig_mapping_destroy(&m);
  qe_qconfig_mapping_destroy(&back);
}

/* Random float32 values, all of whose bits come back. */
Test(json, floats_round_trip) {
  uint64_t seed = 20261128;
  fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
  for (int k = 0; k < 2000; k++) {
    qe_qconfig_t q = {.struct_size = sizeof q};
    qe_qconfig_mapping_t *m, *back;
    qe_observer_config_default(&q.activation);
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    const uint32_t bits = (uint32_t)(seed >> 33) % 0x7f800000u; /* finite, not negative */
    memcpy(&q.activation.eps, &bits, sizeof bits);
    cr_assert_eq(qe_qconfig_mapping_create(&q, &m), QE_OK);
    char *text = dump(m);
    back = parse(text);
    cr_assert_eq(memcmp(&back->global.activation.eps, &q.activation.eps, 4), 0, "%a became %a in %s",
                 (double)q.activation.eps, (double)back->global.activation.eps, text);
    qe_string_free(text);
    qe_qconfig_mapping_destroy(&m);
    qe_qconfig_mapping_destroy(&back);
  }
}

Test(json, preset_alone) {
  qe_qconfig_mapping_t *m = parse("{\"preset\":\"fbgemm\"}"), *want;
  cr_assert_eq(qe_qconfig_mapping_preset("fbgemm", &want), QE_OK);
  char *a = dump(m), *b = dump(want);
  cr_expect_str_eq(a, b);
  qe_string_free(a);
  qe_string_free(b);
  qe_qconfig_mapping_destroy(&m);
  qe_qconfig_mapping_destroy(&want);
}

Test(json, preset_then_changes) {
  qe_qconfig_mapping_t *m =
      parse("{\"preset\":\"qnnpack\",\"equalize\":true,\"op_types\":{\"AveragePool\":null,\"Conv\":{\"preset\":"
            "\"qnnpack\",\"weight\":{\"observer\":\"per_channel_min_max\",\"dtype\":\"int8\",\"qscheme\":"
            "\"per_channel_symmetric\",\"ch_axis\":-1}}}}");
  cr_expect(m->equalize);
  cr_expect_eq(m->count, 4);
  cr_expect_str_eq(m->rules[2].pattern, "AveragePool");
  cr_expect_not(m->rules[2].optional); /* a user's rule must match something */
  cr_expect_str_eq(m->rules[3].qconfig.activation.observer, "histogram");
  cr_expect_str_eq(m->rules[3].qconfig.weight.observer, "per_channel_min_max");
  round_trip(m);
  qe_qconfig_mapping_destroy(&m);
}

Test(json, torch_spellings) {
  qe_qconfig_mapping_t *m = parse("{\"global\":{\"activation\":{\"observer\":\"torch.ao.quantization.observer."
                                  "MovingAverageMinMaxObserver\",\"dtype\":"
                                  "\"torch.quint8\",\"qscheme\":\"torch.per_tensor_affine\"},\"weight\":{\"observer\":"
                                  "\"PerChannelMinMaxObserver\",\"dtype\":"
                                  "\"qint8\",\"qscheme\":\"torch.per_channel_symmetric\",\"ch_axis\":0}}}");
  cr_expect_str_eq(m->global.activation.observer, "moving_average_min_max");
  cr_expect_eq(m->global.activation.dtype, QE_UINT8);
  cr_expect_str_eq(m->global.weight.observer, "per_channel_min_max");
  cr_expect_eq(m->global.weight.qscheme, QE_PER_CHANNEL_SYMMETRIC);
  char *text = dump(m);
  cr_expect(!strstr(text, "torch") && !strstr(text, "Observer") && !strstr(text, "qint8"), "%s", text);
  qe_string_free(text);
  qe_qconfig_mapping_destroy(&m);
}

Test(json, order_is_kept) {
  qe_qconfig_mapping_t *m = parse("{\"name_globs\":{\"b*\":null,\"a*\":null,\"c?\":null}}");
  cr_assert_eq(m->count, 3);
  cr_expect_str_eq(m->rules[0].pattern, "b*");
  cr_expect_str_eq(m->rules[1].pattern, "a*");
  cr_expect_str_eq(m->rules[2].pattern, "c?");
  qe_qconfig_mapping_destroy(&m);
}

#define ACT          "{\"observer\":\"min_max\"}"
#define BOTH(fields) "{\"global\":{\"activation\":{\"observer\":\"min_max\"," fields "},\"weight\":null}}"

/* Every refusal says where, and what is wrong. */
static const struct {
  const char *json, *where, *what;
} BAD[] = {
    {"", "line", ""},
    {"[]", "the top", "an object"},
    {"{", "line 1", ""},
    {"{\"preset\":\"default\"} x", "line 1", ""},
    {"{\"preset\":\"a\",\"preset\":\"b\"}", "line 1", "duplicate"},
    {"{\"preset\":3}", "/preset", "a string"},
    {"{\"preset\":\"fbgem\"}", "/preset", "'fbgemm'?"},
    {"{\"schema_version\":2}", "/schema_version", "1"},
    {"{\"schema_version\":\"1\"}", "/schema_version", "a string"},
    {"{\"globl\":null}", "the top", "'global'?"},
    {"{\"zzzzzzzzzz\":null}", "the top", "schema_version, preset, global"},
    {"{\"global\":7}", "/global", "an integer"},
    {"{\"global\":{}}", "/global", "'activation' and 'weight'"},
    {"{\"global\":{\"activation\":" ACT "}}", "/global", "'weight'"},
    {"{\"global\":{\"activation\":" ACT ",\"weights\":null}}", "/global", "'weight'?"},
    {"{\"global\":{\"preset\":1}}", "/global/preset", "an integer"},
    {"{\"global\":{\"preset\":\"nope\"}}", "/global/preset", "'nope'"},
    {"{\"global\":{\"activation\":5,\"weight\":null}}", "/global/activation", "an integer"},
    {"{\"global\":{\"activation\":{},\"weight\":null}}", "/global/activation", "'observer' is missing"},
    {"{\"global\":{\"activation\":{\"observer\":\"\"},\"weight\":null}}", "/global/activation/observer", "1..47"},
    {"{\"global\":{\"activation\":{\"observer\":\"a_name_that_is_longer_than_the_forty_seven_characters\"},\"weight\":"
     "null}}", "/global/activation/observer", "1..47"},
    {BOTH("\"dtipe\":\"int8\""), "/global/activation", "'dtype'?"},
    {BOTH("\"dtype\":\"int9\""), "/global/activation/dtype", "'int9'"},
    {BOTH("\"dtype\":\"float32\""), "/global/activation", "float32"},
    {BOTH("\"qscheme\":\"per_row\""), "/global/activation/qscheme", "per_tensor_affine, per_channel_affine"},
    {BOTH("\"qscheme\":\"per_channel_affine\""), "/global/activation", "one scale per tensor"},
    {"{\"global\":{\"activation\":null,\"weight\":{\"observer\":\"histogram\",\"qscheme\":\"per_channel_affine\"}}}",
     "/global/weight", "per-channel"},
    {BOTH("\"reduce_range\":1"), "/global/activation/reduce_range", "true or false"},
    {BOTH("\"reduce_range\":true,\"qscheme\":\"per_tensor_symmetric\""), "/global/activation", "reduce_range"},
    {BOTH("\"quant_min\":0"), "/global/activation", "go together"},
    {BOTH("\"quant_min\":0.5,\"quant_max\":1"), "/global/activation/quant_min", "an integer"},
    {BOTH("\"quant_min\":3000000000,\"quant_max\":1"), "/global/activation/quant_min", "3000000000"},
    {BOTH("\"quant_min\":1,\"quant_max\":255"), "/global/activation", "contain 0"},
    {BOTH("\"quant_min\":0,\"quant_max\":256"), "/global/activation", "exceeds uint8"},
    {BOTH("\"bins\":1"), "/global/activation/bins", "2..1048576"},
    {BOTH("\"eps\":\"small\""), "/global/activation/eps", "a number"},
    {BOTH("\"eps\":-1"), "/global/activation", "eps"},
    {BOTH("\"eps\":1e39"), "/global/activation/eps", "float32"},
    {BOTH("\"ch_axis\":8"), "/global/activation/ch_axis", "-1..7"},
    {BOTH("\"percentile\":0"), "/global/activation", "percentile"},
    {BOTH("\"averaging_constant\":1.5"), "/global/activation", "averaging_constant"},
    {BOTH("\"method\":\"best\""), "/global/activation/method", "l2, mse, percentile, entropy"},
    {"{\"global\":{\"activation\":{\"observer\":\"fixed_qparams\",\"scale\":0},\"weight\":null}}", "/global/activation",
     "scale"},
    {"{\"global\":{\"activation\":{\"observer\":\"fixed_qparams\",\"zero_point\":300},\"weight\":null}}",
     "/global/activation", "300"},
    {"{\"equalize\":1}", "/equalize", "true or false"},
    {"{\"op_types\":[]}", "/op_types", "an array"},
    {"{\"op_types\":{\"\":null}}", "/op_types", "empty"},
    {"{\"names\":{\"fc\":{\"activation\":{\"observer\":\"min_max\",\"bits\":4},\"weight\":null}}}",
     "/names/fc/activation", "'bits'"},
    {"{\"names\":{\"fc\":{\"preset\":\"default\",\"optional\":2}}}", "/names/fc", "true or false"},
    {"{\"name_globs\":{\"a*\":true}}", "/name_globs/a*", "true"},
};

Test(json, refused) {
  for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
    qe_qconfig_mapping_t *m = (qe_qconfig_mapping_t *)&m;
    const qe_status_t status = qe_qconfig_mapping_parse(BAD[i].json, strlen(BAD[i].json), &m);
    cr_expect_eq(status, QE_ERROR_FORMAT, "%s: %s", BAD[i].json, qe_status_text(status));
    cr_expect_null(m);
    cr_expect(strstr(qe_last_error(), BAD[i].where), "%s\n  place '%s' is not in: %s", BAD[i].json, BAD[i].where,
              qe_last_error());
    cr_expect(strstr(qe_last_error(), BAD[i].what), "%s\n  '%s' is not in: %s", BAD[i].json, BAD[i].what,
              qe_last_error());
  }
}

/* A thousand brackets deep is refused, not followed until the stack ends. */
Test(json, depth_and_size) {
  enum { DEEP = 1 << 20 };
  char *text = malloc(DEEP);
  qe_qconfig_mapping_t *m;
  memset(text, '[', DEEP);
  cr_expect_eq(qe_qconfig_mapping_parse(text, DEEP, &m), QE_ERROR_FORMAT);
  cr_expect(strstr(qe_last_error(), "depth"), "%s", qe_last_error());
  free(text);
  cr_expect_eq(qe_qconfig_mapping_parse("{}", (size_t)1 << 30, &m), QE_ERROR_FORMAT);
  cr_expect(strstr(qe_last_error(), "limit"), "%s", qe_last_error());
}

Test(json, files) {
  static const char text[] = "{\"preset\":\"onednn\"}";
  scratch s;
  qe_qconfig_mapping_t *m;
  scratch_open(&s);
  const char *path = scratch_file(&s, "q.json"), *bad = scratch_file(&s, "bad.json");
  scratch_write(path, text, sizeof text - 1);
  scratch_write(bad, "{}}", 3);
  cr_expect_eq(qe_qconfig_mapping_load(path, &m), QE_OK, "%s", qe_last_error());
  qe_qconfig_mapping_destroy(&m);
  cr_expect_eq(qe_qconfig_mapping_load(bad, &m), QE_ERROR_FORMAT);
  cr_expect(strstr(qe_last_error(), "bad.json"), "%s", qe_last_error());
  cr_expect_neq(qe_qconfig_mapping_load(scratch_file(&s, "none.json"), &m), QE_OK);
  cr_expect_null(m);
  scratch_close(&s);
}

/* Names come from models: one that is not UTF-8 can't be written, and is not dropped either. */
Test(json, not_utf8) {
  qe_qconfig_mapping_t *m;
  char *text = (char *)&m;
  cr_assert_eq(qe_qconfig_mapping_create(NULL, &m), QE_OK);
  cr_assert_eq(qe_qconfig_mapping_set_name(m, "caf\xe9", NULL), QE_OK);
  cr_expect_eq(qe_qconfig_mapping_dump(m, &text), QE_ERROR_INVALID_ARGUMENT);
  cr_expect_null(text);
  qe_qconfig_mapping_destroy(&m);
}
