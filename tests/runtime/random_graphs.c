/* Random networks, float and quantized: whatever way they are run, the bytes are the same. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "qengine.h"
#include "support/random_graph.h"
#include "support/scratch.h"

enum { MAX_OUT = 128 };

static uint64_t seeds(void) {
  const char *n = getenv("QE_TEST_SEEDS");
  return n ? strtoull(n, NULL, 10) : 40;
}

static uint64_t first_seed(void) {
  const char *n = getenv("QE_TEST_SEED");
  return n ? strtoull(n, NULL, 10) : 1;
}

static qe_session_t *open_session(const qe_model_t *m, uint32_t threads, int no_fuse) {
  qe_session_t *s = NULL;
  const qe_session_options_t o = {
      .struct_size = sizeof o, .engine = "reference", .threads = threads, .no_fuse = no_fuse};
  cr_assert_eq(qe_session_create(m, &o, &s), QE_OK, "%s", qe_last_error());
  return s;
}

typedef struct results {
  uint32_t n;
  qe_named_tensor_t out[MAX_OUT];
} results;

static void run(qe_session_t *s, qe_tensor_t *x, results *r, uint64_t seed) {
  const qe_named_tensor_t in = {NULL, x};
  cr_assert_eq(qe_session_run(s, 1, &in, r->n, r->out), QE_OK, "seed %llu: %s", (unsigned long long)seed,
               qe_last_error());
}

static void run_model(const qe_model_t *m, uint32_t threads, int no_fuse, qe_tensor_t *x, results *r, uint64_t seed) {
  qe_session_t *s = open_session(m, threads, no_fuse);
  *r = (results){.n = qe_model_output_count(m)};
  run(s, x, r, seed);
  qe_session_destroy(&s);
}

static void release(results *r) {
  for (uint32_t i = 0; i < r->n; i++) qe_tensor_release(&r->out[i].tensor);
}

static void same(const qe_tensor_t *a, const qe_tensor_t *b, const char *what, const char *name, uint64_t seed) {
  cr_assert_eq(qe_tensor_dtype(a), qe_tensor_dtype(b), "seed %llu, %s, %s: types differ", (unsigned long long)seed,
               what, name);
  cr_assert_eq(qe_tensor_bytes(a), qe_tensor_bytes(b), "seed %llu, %s, %s: %zu and %zu bytes", (unsigned long long)seed,
               what, name, qe_tensor_bytes(a), qe_tensor_bytes(b));
  const unsigned char *p = qe_tensor_const_data(a), *q = qe_tensor_const_data(b);
  for (size_t i = 0; i < qe_tensor_bytes(a); i++) {
    cr_assert_eq(p[i], q[i], "seed %llu, %s, %s: byte %zu of %zu is %u and %u", (unsigned long long)seed, what, name, i,
                 qe_tensor_bytes(a), p[i], q[i]);
  }
}

static void all_same(const results *a, const results *b, const char *what, uint64_t seed) {
  cr_assert_eq(a->n, b->n);
  for (uint32_t i = 0; i < a->n; i++) {
    char name[32];
    snprintf(name, sizeof name, "output %u", i);
    same(a->out[i].tensor, b->out[i].tensor, what, name, seed);
  }
}

/* Every value a node computes, together and alone. */
static void check_values(const qe_model_t *m, qe_tensor_t *x, uint64_t seed) {
  qe_session_t *s = open_session(m, 1, 0);
  results all = {0};
  for (uint32_t k = 0; k < qe_model_node_count(m); k++) {
    const int32_t v = qe_model_node_output(m, k, 0);
    qe_value_info_t info;
    cr_assert_eq(qe_model_value(m, (uint32_t)v, &info), QE_OK);
    if (all.n < MAX_OUT) all.out[all.n++].name = info.name;
  }
  run(s, x, &all, seed);
  for (uint32_t i = 0; i < all.n; i++) {
    results one = {.n = 1, .out = {{.name = all.out[i].name}}};
    run(s, x, &one, seed);
    same(all.out[i].tensor, one.out[0].tensor, "a value alone", all.out[i].name, seed);
    release(&one);
  }
  results outputs = {.n = qe_model_output_count(m)};
  run(s, x, &outputs, seed);
  for (uint32_t i = 0; i < outputs.n; i++) {
    qe_value_info_t info;
    cr_assert_eq(qe_model_output(m, i, &info), QE_OK);
    for (uint32_t k = 0; k < all.n; k++) {
      if (strcmp(all.out[k].name, info.name) == 0)
        same(outputs.out[i].tensor, all.out[k].tensor, "outputs only", info.name, seed);
    }
  }
  release(&outputs);
  release(&all);
  qe_session_destroy(&s);
}

static void check_files(const qe_model_t *m, qe_tensor_t *x, const results *want, uint64_t seed) {
  scratch dir;
  scratch_open(&dir);
  const char *path = scratch_file(&dir, "model.onnx");
  for (int format = 0; format < 2; format++) {
    qe_model_t *again = NULL;
    results r;
    cr_assert_eq(qe_model_save(m, path, (qe_format_t)format, 1), QE_OK, "seed %llu: %s", (unsigned long long)seed,
                 qe_last_error());
    cr_assert_eq(qe_model_load(path, &again), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
    run_model(again, 1, 0, x, &r, seed);
    all_same(want, &r, format ? "QOperator file" : "QDQ file", seed);
    release(&r);
    qe_model_destroy(&again);
  }
  scratch_close(&dir);
}

/* Sample k of x of three samples, and the model for one sample. */
static void check_batch(const qe_model_t *one, qe_tensor_t *x, const results *want, uint64_t seed) {
  const size_t bytes = qe_tensor_bytes(x) / 3;
  for (size_t k = 0; k < 3; k++) {
    qe_tensor_t *sample = NULL;
    cr_assert_eq(qe_tensor_from_data(QE_FLOAT32, 4, (int64_t[]){1, 4, 6, 6},
                                     (const char *)qe_tensor_const_data(x) + k * bytes, &sample),
                 QE_OK);
    results r;
    run_model(one, 1, 0, sample, &r, seed);
    for (uint32_t i = 0; i < r.n; i++) {
      const size_t n = qe_tensor_bytes(r.out[i].tensor);
      if (qe_tensor_bytes(want->out[i].tensor) != 3 * n) continue; /* made of constants only */
      cr_assert_eq(memcmp(qe_tensor_const_data(r.out[i].tensor),
                          (const char *)qe_tensor_const_data(want->out[i].tensor) + k * n, n),
                   0, "seed %llu: sample %zu alone differs in output %u", (unsigned long long)seed, k, i);
    }
    release(&r);
    qe_tensor_release(&sample);
  }
}

static double distance_db(const qe_tensor_t *a, const qe_tensor_t *b) {
  double signal = 0, noise = 0;
  for (int64_t i = 0; i < qe_tensor_count(a); i++) {
    const double x = (double)((const float *)qe_tensor_const_data(a))[i],
                 y = (double)((const float *)qe_tensor_const_data(b))[i];
    signal += x * x;
    noise += (x - y) * (x - y);
  }
  return noise > 0 ? 10 * log10(signal / noise) : 400;
}

Test(random_graphs, float_networks_give_one_answer) {
  for (uint64_t seed = first_seed(); seed < first_seed() + seeds(); seed++) {
    qe_model_t *m = random_graph_make(seed, 3, 0), *one = random_graph_make(seed, 1, 0);
    qe_tensor_t *x = test_random(4, (int64_t[]){3, 4, 6, 6}, 1.0f, seed);
    results want, r;
    run_model(m, 1, 0, x, &want, seed);
    run_model(m, 3, 0, x, &r, seed);
    all_same(&want, &r, "three threads", seed);
    release(&r);
    check_values(m, x, seed);
    check_batch(one, x, &want, seed);
    check_files(m, x, &want, seed);
    cr_assert_eq(qe_fuse(m), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
    run_model(m, 1, 0, x, &r, seed);
    for (uint32_t i = 0; i < r.n; i++) {
      const double db = distance_db(want.out[i].tensor, r.out[i].tensor);
      cr_assert_gt(db, 80.0, "seed %llu: fusing moves output %u: %.1f dB", (unsigned long long)seed, i, db);
    }
    release(&r);
    release(&want);
    qe_tensor_release(&x);
    qe_model_destroy(&m);
    qe_model_destroy(&one);
  }
}

static qe_model_t *quantize(const qe_model_t *m, uint64_t seed, qe_tensor_t *x) {
  static const char *const presets[] = {"default", "fbgemm", "qnnpack", "x86"};
  qe_qconfig_mapping_t *mapping = NULL;
  qe_prepared_t *p = NULL;
  qe_model_t *fused = NULL, *out = NULL;
  cr_assert_eq(qe_model_clone(m, &fused), QE_OK);
  cr_assert_eq(qe_fuse(fused), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_qconfig_mapping_preset(presets[seed % 4], &mapping), QE_OK, "%s", qe_last_error());
  cr_assert_eq(qe_prepare(fused, mapping, NULL, &p), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  const qe_named_tensor_t in = {NULL, x};
  cr_assert_eq(qe_calibrate(p, 1, &in), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  cr_assert_eq(qe_convert(p, &out, NULL), QE_OK, "seed %llu: %s", (unsigned long long)seed, qe_last_error());
  qe_prepared_destroy(&p);
  qe_qconfig_mapping_destroy(&mapping);
  qe_model_destroy(&fused);
  return out;
}

Test(random_graphs, quantized_networks_give_one_answer) {
  for (uint64_t seed = first_seed(); seed < first_seed() + seeds(); seed++) {
    qe_model_t *m = random_graph_make(seed, 3, 1);
    qe_tensor_t *x = test_random(4, (int64_t[]){3, 4, 6, 6}, 1.0f, seed);
    qe_model_t *q = quantize(m, seed, x);
    results want, r;
    run_model(q, 1, 0, x, &want, seed);
    run_model(q, 3, 0, x, &r, seed);
    all_same(&want, &r, "three threads", seed);
    release(&r);
    check_values(q, x, seed);
    check_files(q, x, &want, seed);
    run_model(q, 1, 1, x, &r, seed);
    for (uint32_t i = 0; i < r.n; i++) {
      const double db = distance_db(want.out[i].tensor, r.out[i].tensor);
      cr_assert_gt(db, 15.0, "seed %llu: fused and unfused differ in output %u: %.1f dB", (unsigned long long)seed, i,
                   db);
    }
    release(&r);
    release(&want);
    qe_model_destroy(&q);
    qe_tensor_release(&x);
    qe_model_destroy(&m);
  }
}
