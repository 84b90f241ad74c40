/*
 * Runs the ONNX operator tests that generate.py wrote. A case whose ops are all in required_ops.txt must pass, unless
 * exceptions.txt names it with a reason; other cases are tried and listed. A stale exception is a failure.
 *
 * usage: run_backend CASES_DIR SOURCE_DIR [CASE...]
 */
#include <qengine.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text {
  char *data;
} text;

static text read_text(const char *path) {
  text t = {calloc(1, 1)};
  FILE *f = fopen(path, "r");
  if (!f) return t;
  size_t size = 0, got;
  char block[4096];
  while ((got = fread(block, 1, sizeof block, f)) > 0) {
    t.data = realloc(t.data, size + got + 1);
    memcpy(t.data + size, block, got);
    size += got;
    t.data[size] = '\0';
  }
  fclose(f);
  return t;
}

static int has_word(const char *words, const char *word, size_t length) {
  for (const char *p = words; (p = strstr(p, word)) != NULL; p++) {
    const int before = p == words || p[-1] == ' ' || p[-1] == '\n';
    if (strncmp(p, word, length) == 0 && before && (p[length] == ' ' || p[length] == '\n' || p[length] == '\0' || p[length] == ':')) return 1;
  }
  return 0;
}

static int all_required(const char *ops, const char *required) {
  char word[128];
  for (const char *p = ops; *p;) {
    const size_t n = strcspn(p, " \n");
    if (n > 0 && n < sizeof word) {
      memcpy(word, p, n);
      word[n] = '\0';
      if (!has_word(required, word, n)) return 0;
    }
    p += n + (p[n] != '\0');
  }
  return 1;
}

static double element(const qe_tensor_t *t, int64_t i) {
  const void *d = qe_tensor_const_data(t);
  switch (qe_tensor_dtype(t)) {
    case QE_FLOAT32: return (double)((const float *)d)[i];
    case QE_FLOAT64: return ((const double *)d)[i];
    case QE_UINT8: case QE_BOOL: return ((const uint8_t *)d)[i];
    case QE_INT8: return ((const int8_t *)d)[i];
    case QE_UINT16: case QE_FLOAT16: case QE_BFLOAT16: return ((const uint16_t *)d)[i];
    case QE_INT16: return ((const int16_t *)d)[i];
    case QE_UINT32: return ((const uint32_t *)d)[i];
    case QE_INT32: return ((const int32_t *)d)[i];
    case QE_UINT64: return (double)((const uint64_t *)d)[i];
    case QE_INT64: return (double)((const int64_t *)d)[i];
    default: return NAN;
  }
}

static int compare(const qe_tensor_t *got, const qe_tensor_t *want, double rtol, double atol, char *why, size_t size) {
  if (qe_tensor_dtype(got) != qe_tensor_dtype(want)) {
    snprintf(why, size, "dtype %s, expected %s", qe_dtype_name(qe_tensor_dtype(got)), qe_dtype_name(qe_tensor_dtype(want)));
    return 0;
  }
  if (qe_tensor_rank(got) != qe_tensor_rank(want) || memcmp(qe_tensor_dims(got), qe_tensor_dims(want), qe_tensor_rank(got) * sizeof(int64_t)) != 0) {
    snprintf(why, size, "shape differs (rank %u, expected %u)", qe_tensor_rank(got), qe_tensor_rank(want));
    return 0;
  }
  for (int64_t i = 0; i < qe_tensor_count(want); i++) {
    const double a = element(got, i), b = element(want, i);
    if (isnan(a) && isnan(b)) continue;
    if (a == b || fabs(a - b) <= atol + rtol * fabs(b)) continue;
    snprintf(why, size, "element %lld: %.9g, expected %.9g", (long long)i, a, b);
    return 0;
  }
  return 1;
}

enum { PASS, FAIL, UNSUPPORTED };

static int run_case(const char *dir, char *why, size_t size) {
  char path[4096];
  double rtol = 1e-3, atol = 1e-7;
  qe_model_t *model = NULL;
  qe_session_t *session = NULL;
  qe_named_tensor_t in[32] = {{0}}, out[32] = {{0}};
  uint32_t n_in = 0, n_out = 0;
  int verdict = FAIL;
  snprintf(path, sizeof path, "%s/tolerance", dir);
  text tolerance = read_text(path);
  sscanf(tolerance.data, "%lf %lf", &rtol, &atol);
  free(tolerance.data);
  snprintf(path, sizeof path, "%s/model.onnx", dir);
  qe_status_t status = qe_model_load(path, &model);
  if (status != QE_OK) goto done;
  /* inputs are numbered in the model's order; some cases leave optional ones out by name */
  for (n_in = 0; n_in < 32; n_in++) {
    snprintf(path, sizeof path, "%s/input_%u.pb", dir, n_in);
    FILE *f = fopen(path, "rb");
    if (!f) break;
    fclose(f);
    status = qe_tensor_load(path, NULL, &in[n_in].tensor);
    if (status != QE_OK) goto done;
  }
  status = qe_session_create(model, NULL, &session);
  if (status != QE_OK) goto done;
  n_out = qe_model_output_count(model);
  if (n_out > 32) n_out = 32;
  status = qe_session_run(session, n_in, in, n_out, out);
  if (status != QE_OK) goto done;
  verdict = PASS;
  for (uint32_t i = 0; i < n_out && verdict == PASS; i++) {
    qe_tensor_t *want = NULL;
    snprintf(path, sizeof path, "%s/output_%u.pb", dir, i);
    if (qe_tensor_load(path, NULL, &want) != QE_OK || !compare(out[i].tensor, want, rtol, atol, why, size)) verdict = FAIL;
    qe_tensor_release(&want);
  }
done:
  if (status != QE_OK) {
    snprintf(why, size, "%s: %s", qe_status_text(status), qe_last_error());
    verdict = status == QE_ERROR_UNSUPPORTED ? UNSUPPORTED : FAIL;
  }
  for (uint32_t i = 0; i < 32; i++) {
    qe_tensor_release(&in[i].tensor);
    qe_tensor_release(&out[i].tensor);
  }
  qe_session_destroy(&session);
  qe_model_destroy(&model);
  return verdict;
}

static int is_case(const struct dirent *d) { return strncmp(d->d_name, "test_", 5) == 0; }

int main(int argc, char **argv) {
  struct dirent **names;
  char path[4096], why[1024];
  if (argc < 3) return fprintf(stderr, "usage: run_backend CASES_DIR SOURCE_DIR [CASE...]\n"), 2;
  qe_set_log_level(QE_LOG_ERROR);
  snprintf(path, sizeof path, "%s/required_ops.txt", argv[2]);
  text required = read_text(path);
  snprintf(path, sizeof path, "%s/exceptions.txt", argv[2]);
  text exceptions = read_text(path);
  const int n = scandir(argv[1], &names, is_case, alphasort);
  if (n <= 0 || !required.data[0]) return fprintf(stderr, "no cases in %s, or no required_ops.txt in %s\n", argv[1], argv[2]), 1;
  int passed = 0, failed = 0, excepted = 0, extra = 0, other = 0;
  for (int i = 0; i < n; i++) {
    const char *name = names[i]->d_name;
    int wanted = argc == 3;
    for (int k = 3; k < argc; k++) wanted = wanted || strcmp(argv[k], name) == 0;
    if (!wanted) continue;
    snprintf(path, sizeof path, "%s/%s/ops", argv[1], name);
    text ops = read_text(path);
    snprintf(path, sizeof path, "%s/%s", argv[1], name);
    why[0] = '\0';
    const int verdict = run_case(path, why, sizeof why);
    const int must = all_required(ops.data, required.data), excused = has_word(exceptions.data, name, strlen(name));
    if (verdict == PASS && excused) failed++, printf("STALE EXCEPTION %s passes\n", name);
    else if (verdict == PASS) must ? passed++ : extra++;
    else if (must && !excused) failed++, printf("FAIL %s: %s\n", name, why);
    else if (must) excepted++, printf("excepted %s: %s\n", name, why);
    else other++, printf("not required %s: %s\n", name, why);
    free(ops.data);
  }
  printf("operator tests: %d passed, %d failed; %d excepted (exceptions.txt); of other ops %d pass, %d do not\n", passed, failed, excepted, extra, other);
  for (int i = 0; i < n; i++) free(names[i]);
  free(names);
  free(required.data);
  free(exceptions.data);
  return failed || passed == 0;
}
