/* See ort.h. */
#include "ort.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places in the table of functions. Those that can fail return NULL, or an object that tells why. */
enum {
  ERROR_MESSAGE = 2, CREATE_ENV = 3, CREATE_SESSION = 7, RUN = 9, CREATE_OPTIONS = 10, ENABLE_PROFILING = 14,
  SET_OPTIMIZATION = 23, SET_INTRA_THREADS = 24, SET_INTER_THREADS = 25, INPUT_COUNT = 30, OUTPUT_COUNT = 31,
  INPUT_TYPE = 33, INPUT_NAME = 36, OUTPUT_NAME = 37, CREATE_TENSOR = 48, TENSOR_DATA = 51,
  CAST_TYPE_INFO = 55, ELEMENT_TYPE = 60, RANK = 61, DIMENSIONS = 62, DEFAULT_ALLOCATOR = 78, RELEASE_STATUS = 93,
  RELEASE_SESSION = 95, RELEASE_VALUE = 96, RELEASE_TYPE_INFO = 98, RELEASE_OPTIONS = 100, END_PROFILING = 110
};
enum { TABLE_VERSION = 10, ALL_OPTIMIZATIONS = 99, WARNINGS = 2, MOST_VALUES = 8, MOST_RANK = 8 };

typedef void (*function)(void);
typedef struct base {
  const function *(*table)(uint32_t version);
  const char *(*version)(void);
} base;

typedef void *(*with_one)(void *);
typedef void *(*with_two)(void *, void *);
typedef void *(*with_text)(void *, const char *);
typedef void *(*with_int)(void *, int);
typedef void *(*with_index)(void *, size_t, void *);
typedef void *(*with_name)(void *, size_t, void *, char **);

static const function *table;
static const char *version_text = "";
static void *environment, *allocator;
static char error_text[512];

const char *ort_error(void) { return error_text; }
const char *ort_version(void) { return version_text; }

/* False: it failed, error_text says why. */
static bool good(void *status) {
  if (!status) return true;
  snprintf(error_text, sizeof error_text, "%s", ((const char *(*)(void *))table[ERROR_MESSAGE])(status));
  ((void (*)(void *))table[RELEASE_STATUS])(status);
  return false;
}

bool ort_load(const char *path) {
  if (!path) path = getenv("ORT_LIBRARY");
  if (!path) path = "libonnxruntime.so.1";
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol = library ? dlsym(library, "OrtGetApiBase") : NULL;
  if (!symbol) {
    snprintf(error_text, sizeof error_text, "%s", dlerror());
    return false;
  }
  const base *(*get_base)(void);
  memcpy(&get_base, &symbol, sizeof symbol);
  table = get_base()->table(TABLE_VERSION);
  version_text = get_base()->version();
  if (!table) return false;
  return good(((void *(*)(int, const char *, void **))table[CREATE_ENV])(WARNINGS, "bench", &environment)) &&
         good(((with_one)table[DEFAULT_ALLOCATOR])(&allocator));
}

struct ort_session {
  void *session;
  size_t n_in, n_out;
  char *in_names[MOST_VALUES], *out_names[MOST_VALUES];
  void *in[MOST_VALUES];
};

static void fill(void *data, int type, int64_t count) {
  enum { FLOAT = 1, UINT8 = 2, INT8 = 3, INT64 = 7 };
  uint32_t state = 1;
  for (int64_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    if (type == FLOAT) ((float *)data)[i] = (float)(int8_t)(state >> 24) / 64.0f;
    if (type == UINT8 || type == INT8) ((uint8_t *)data)[i] = (uint8_t)(state >> 24);
    if (type == INT64) ((int64_t *)data)[i] = 0;
  }
}

static bool make_input(ort_session *s, size_t i) {
  void *info = NULL, *data = NULL;
  const void *tensor_info = NULL;
  int type = 0;
  size_t rank = 0;
  int64_t dims[MOST_RANK] = {0}, count = 1;
  bool done = good(((with_index)table[INPUT_TYPE])(s->session, i, &info)) &&
              good(((void *(*)(void *, const void **))table[CAST_TYPE_INFO])(info, &tensor_info)) &&
              good(((void *(*)(const void *, int *))table[ELEMENT_TYPE])(tensor_info, &type)) &&
              good(((void *(*)(const void *, size_t *))table[RANK])(tensor_info, &rank)) && rank <= MOST_RANK &&
              good(((void *(*)(const void *, int64_t *, size_t))table[DIMENSIONS])(tensor_info, dims, rank));
  for (size_t d = 0; d < rank && d < MOST_RANK; d++) {
    if (dims[d] < 0) dims[d] = 1;
    count *= dims[d];
  }
  done = done &&
         good(((void *(*)(void *, const int64_t *, size_t, int, void **))table[CREATE_TENSOR])(allocator, dims, rank, type,
                                                                                              &s->in[i])) &&
         good(((with_two)table[TENSOR_DATA])(s->in[i], &data));
  if (done) fill(data, type, count);
  if (info) ((void (*)(void *))table[RELEASE_TYPE_INFO])(info);
  return done;
}

static bool make_values(ort_session *s) {
  if (!good(((with_two)table[INPUT_COUNT])(s->session, &s->n_in)) ||
      !good(((with_two)table[OUTPUT_COUNT])(s->session, &s->n_out)) || s->n_in > MOST_VALUES || s->n_out > MOST_VALUES)
    return false;
  for (size_t i = 0; i < s->n_in; i++) {
    if (!good(((with_name)table[INPUT_NAME])(s->session, i, allocator, &s->in_names[i]))) return false;
    if (!make_input(s, i)) return false;
  }
  for (size_t i = 0; i < s->n_out; i++)
    if (!good(((with_name)table[OUTPUT_NAME])(s->session, i, allocator, &s->out_names[i]))) return false;
  return true;
}

ort_session *ort_open(const char *model, const char *profile) {
  ort_session *s = calloc(1, sizeof *s);
  void *options = NULL;
  if (!s || !good(((with_one)table[CREATE_OPTIONS])(&options))) {
    free(s);
    return NULL;
  }
  const bool done = good(((with_int)table[SET_OPTIMIZATION])(options, ALL_OPTIMIZATIONS)) &&
                    good(((with_int)table[SET_INTRA_THREADS])(options, 1)) &&
                    good(((with_int)table[SET_INTER_THREADS])(options, 1)) &&
                    (!profile || good(((with_text)table[ENABLE_PROFILING])(options, profile))) &&
                    good(((void *(*)(void *, const char *, void *, void **))table[CREATE_SESSION])(
                        environment, model, options, &s->session)) &&
                    make_values(s);
  ((void (*)(void *))table[RELEASE_OPTIONS])(options);
  if (done) return s;
  ort_close(s);
  return NULL;
}

int ort_run(void *session) {
  typedef void *(*run)(void *, void *, char *const *, void *const *, size_t, char *const *, size_t, void **);
  ort_session *s = session;
  void *out[MOST_VALUES] = {NULL};
  if (!good(((run)table[RUN])(s->session, NULL, s->in_names, s->in, s->n_in, s->out_names, s->n_out, out))) return -1;
  for (size_t i = 0; i < s->n_out; i++) ((void (*)(void *))table[RELEASE_VALUE])(out[i]);
  return 0;
}

bool ort_end_profile(ort_session *s, char *path, size_t size) {
  char *text = NULL;
  if (!good(((void *(*)(void *, void *, char **))table[END_PROFILING])(s->session, allocator, &text)) || !text) return false;
  snprintf(path, size, "%s", text);
  return true;
}

void ort_close(void *session) {
  ort_session *s = session;
  for (size_t i = 0; i < MOST_VALUES; i++)
    if (s->in[i]) ((void (*)(void *))table[RELEASE_VALUE])(s->in[i]);
  if (s->session) ((void (*)(void *))table[RELEASE_SESSION])(s->session);
  free(s);
}
