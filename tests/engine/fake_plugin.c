/*
 * One plugin, broken in one way per build: -DFAKE=FAKE_X chooses the fault (fakes.def lists them). The good one offers an
 * Add kernel that does nothing and an observer, and shows what its host gave it.
 */
#include <stdlib.h>
#include <string.h>

#include "qengine_plugin.h"

enum {
#define FAKE_ROW(name, text) FAKE_##name,
#include "fakes.def"
#undef FAKE_ROW
  FAKE_END
};

#define IS(x) (FAKE == FAKE_##x)
#define PICK(x, broken, right) (IS(x) ? (broken) : (right))

#define LONG_TEXT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#if FAKE_IS_UNDEFINED
int qe_fake_symbol_that_nobody_has(void);
#endif
#if FAKE_IS_GONE
int qe_fake_gone(void);
#endif

static int plan(void *self, const qe_problem *p, qe_kernel_plan *out) {
  (void)self;
  (void)p;
  out->tiles = 1;
  return 0;
}

static int run(void *self, const qe_call *call, int64_t begin, int64_t end) {
  (void)self;
  (void)call;
  (void)begin;
  (void)end;
  return 0;
}

static int o_init(void *self, void *state, const qe_observer_args *args) {
  (void)self;
  (void)state;
  (void)args;
  return 0;
}
static int o_observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  (void)self;
  (void)state;
  (void)x;
  (void)rank;
  (void)dims;
  return 0;
}
static int o_merge(void *self, void *state, const void *other) {
  (void)self;
  (void)state;
  (void)other;
  return 0;
}
static int o_qparams(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zero_points, uint32_t *count) {
  (void)self;
  (void)state;
  (void)capacity;
  scales[0] = 1.0f;
  zero_points[0] = 0;
  *count = 1;
  return 0;
}
static int o_save(void *self, const void *state, void *buffer, size_t *size) {
  (void)self;
  (void)state;
  (void)buffer;
  *size = 0;
  return 0;
}
static int o_load(void *self, void *state, const void *buffer, size_t size) {
  (void)self;
  (void)state;
  (void)buffer;
  (void)size;
  return 0;
}

/* A row of a later minor version: larger, with a field at its end that this host does not know. */
typedef struct row {
  qe_kernel kernel;
  uint64_t later;
} row;

#define ADD_KEY                                                                               \
  {                                                                                           \
    .op = "Add", .in = {PICK(BAD_DTYPE, 99, QE_DT_F32), QE_DT_F32, QE_DT_NONE, QE_DT_NONE},   \
    .out = PICK(BAD_OUT_DTYPE, 200, QE_DT_F32), .quantized = PICK(BAD_QUANTIZED, 2, 0),       \
    .layout = PICK(BAD_LAYOUT, 9, QE_LAYOUT_SAME), .reserved = {0, PICK(KEY_RESERVED, 7, 0)}, \
  }

static const row rows[] = {
    {.kernel = {.struct_size = PICK(ROW_SMALL, 8, PICK(ROW_LARGE, 4096, sizeof(row))),
                .priority = 1,
#if FAKE_IS_UNKNOWN_OP
                .key = {.op = "Addd", .in = {QE_DT_F32, QE_DT_F32}, .out = QE_DT_F32},
#elif FAKE_IS_OP_EMPTY
                .key = {.in = {QE_DT_F32, QE_DT_F32}, .out = QE_DT_F32},
#elif FAKE_IS_OP_PADDING
                .key = {.op = {'A', 'd', 'd', 0, 'x'}, .in = {QE_DT_F32, QE_DT_F32}, .out = QE_DT_F32},
#elif FAKE_IS_OP_UNTERMINATED
                .key = {.op = {'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A',
                               'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A'}},
#else
                .key = ADD_KEY,
#endif
                .name = PICK(KERNEL_NO_NAME, NULL, PICK(KERNEL_EMPTY_NAME, "", PICK(KERNEL_BAD_NAME, "add f32", PICK(KERNEL_WILD_NAME, (const char *)16, "add_f32__fake")))),
                .flags = PICK(KERNEL_FLAGS, 4, 0),
                .exactness = PICK(BAD_EXACTNESS, 9, PICK(INEXACT, QE_EXACT_E3, QE_EXACT_E0)),
                .alignment = PICK(BAD_ALIGNMENT, 48, 64),
                .plan = PICK(NO_PLAN, NULL, plan),
                .run = PICK(NO_RUN, NULL, run)},
     .later = 77},
    {.kernel = {.struct_size = sizeof(row),
                .priority = PICK(DUPLICATE_KEY, 1, 9),
                .key = ADD_KEY,
                .name = PICK(DUPLICATE_NAME, "add_f32__fake", "add_f32__fake_fast"),
                .plan = plan,
                .run = run},
     .later = 77},
    {.kernel = {.struct_size = sizeof(row),
                .priority = 20,
                .key = {.op = "Add", .in = {QE_DT_ANY, QE_DT_ANY}, .out = QE_DT_F32, .quantized = 0, .layout = QE_LAYOUT_STRIDED},
                .name = "add_any__other_machine",
                .isa_required = UINT64_C(1) << 62,
                .plan = plan,
                .run = run},
     .later = 77},
    {.kernel = {.struct_size = sizeof(row),
                .key = {.op = "Abs", .in = {QE_DT_ANY}, .out = QE_DT_ANY, .layout = QE_LAYOUT_STRIDED},
                .name = "abs_any__fake",
                .plan = plan,
                .run = run},
     .later = 77},
};

static const qe_observer observers[] = {
    {.struct_size = PICK(OBSERVER_SMALL, 8, sizeof(qe_observer)),
     .name = PICK(OBSERVER_NO_NAME, NULL, "fake_observer"),
     .flags = PICK(OBSERVER_FLAGS, 1, 0),
     .state_size = PICK(OBSERVER_STATE, (size_t)1 << 40, 8),
     .init = PICK(OBSERVER_NO_INIT, NULL, o_init),
     .observe = o_observe,
     .merge = o_merge,
     .qparams = PICK(OBSERVER_NO_QPARAMS, NULL, o_qparams),
     .save = o_save,
     .load = o_load},
    {.struct_size = sizeof(qe_observer),
     .name = PICK(OBSERVER_TWICE, "fake_observer", "fake_observer_2"),
     .state_size = 8,
     .init = o_init,
     .observe = o_observe,
     .merge = o_merge,
     .qparams = o_qparams,
     .save = o_save,
     .load = o_load},
};

/* What the good plugin's create learned; tests read it as the engine's self. */
typedef struct fake_self {
  uint64_t magic;
  char option[32];
  int64_t sum;
  int nested;
} fake_self;

static const qe_host *the_host;

static void add_numbers(void *arg, int64_t begin, int64_t end) {
  int64_t part = 0;
  for (int64_t i = begin; i < end; i++) part += i;
  __atomic_fetch_add((int64_t *)arg, part, __ATOMIC_RELAXED);
}

static void nest(void *arg, int64_t begin, int64_t end) {
  int64_t sum = 0;
  the_host->parallel_for(the_host->ctx, end - begin, add_numbers, &sum);
  __atomic_fetch_add((int *)arg, (int)(end - begin), __ATOMIC_RELAXED);
}

static int create(const qe_host *host, void **self) {
  *self = NULL;
  if (IS(CREATE_FAILS)) {
    host->error(host->ctx, "the licence dongle is missing");
    return 7;
  }
  if (IS(CREATE_FAILS_SILENTLY)) return -1;
  if (IS(CREATE_TALKS)) {
    char *text = malloc(1 << 20);
    if (text == NULL) return 1;
    memset(text, 'x', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    host->log(host->ctx, 1, text);
    host->error(host->ctx, text);
    free(text);
    return 1;
  }
  the_host = host;
  fake_self *s = host->alloc(host->ctx, sizeof *s, 256);
  if (s == NULL || (uintptr_t)s % 256 != 0 || host->alloc(host->ctx, 8, 3) != NULL) {
    host->free(host->ctx, s);
    host->error(host->ctx, "host->alloc failed");
    return 2;
  }
  memset(s, 0, sizeof *s);
  s->magic = 0x66616b65;
  const char *option = host->option(host->ctx, "colour");
  if (option != NULL) strncpy(s->option, option, sizeof s->option - 1);
  if (host->parallel_for(host->ctx, 1000, add_numbers, &s->sum) != 0 || host->parallel_for(host->ctx, 16, nest, &s->nested) != 0 ||
      host->parallel_for(host->ctx, -1, nest, &s->nested) == 0 || host->cpu == NULL || host->cpu->struct_size == 0) {
    host->free(host->ctx, s);
    host->error(host->ctx, "a host service misbehaved");
    return 3;
  }
  *self = s;
  return 0;
}

static void destroy(void *self) { the_host->free(the_host->ctx, self); }

static int self_test(void *self) {
  if (((fake_self *)self)->magic != 0x66616b65) return 4;
  if (!IS(SELF_TEST_FAILS)) return 0;
  the_host->error(the_host->ctx, "2 + 2 is not 4");
  return 5;
}

static const qe_plugin plugin = {
    .magic = PICK(BAD_MAGIC, 0x12345678, QE_PLUGIN_MAGIC),
    .struct_size = PICK(SIZE_ZERO, 0, PICK(SIZE_SMALL, sizeof(qe_plugin) - 8, PICK(SIZE_HUGE, 1u << 31, sizeof(qe_plugin)))),
    .abi_major = PICK(NEWER_MAJOR, QE_ABI_MAJOR + 1, QE_ABI_MAJOR),
    .abi_minor = PICK(NEWER_MINOR, QE_ABI_MINOR + 5, QE_ABI_MINOR),
    .sanitizer = PICK(OTHER_SANITIZER, 77, QE_PLUGIN_SANITIZER),
    .flags = PICK(TABLE_FLAGS, 1, 0),
    .engine = PICK(NO_NAME, NULL,
              PICK(BAD_NAME, "Fake-Plugin",
              PICK(EMPTY_NAME, "",
              PICK(LONG_NAME, LONG_TEXT,
              PICK(WILD_NAME, (const char *)64,
              PICK(NAME_NONE, "none",
              PICK(HIGH, "fake_high",
              PICK(INEXACT, "fake_inexact", "fake")))))))),
    .vendor = PICK(NO_VENDOR, NULL, PICK(LONG_VENDOR, LONG_TEXT, "nobody")),
    .version = PICK(CONTROL_VERSION, "1\n2", "1.2.3"),
    .build_id = "test",
    .license = PICK(NO_LICENSE, NULL, "Apache-2.0"),
    .isa_required = PICK(OTHER_ISA, UINT64_C(1) << 62, PICK(NEEDS_AVX2, QE_ISA_X86_AVX2, 0)),
    .priority = PICK(HIGH, 500, PICK(INEXACT, 999, -5)),
    .kernel_count = PICK(COUNT_HUGE, UINT32_MAX, PICK(COUNT_LIES, 100000, sizeof rows / sizeof rows[0])),
    .kernel_stride = PICK(STRIDE_SMALL, 16, PICK(STRIDE_ODD, sizeof(row) + 1, PICK(STRIDE_HUGE, UINT32_MAX & ~7u, sizeof(row)))),
    .observer_count = 2,
    .observer_stride = PICK(OBSERVER_STRIDE, 24, sizeof(qe_observer)),
    .kernels = PICK(KERNELS_NULL, NULL, PICK(KERNELS_WILD, (const qe_kernel *)4096, &rows[0].kernel)),
    .observers = PICK(OBSERVERS_NULL, NULL, observers),
    .default_qconfig = PICK(WILD_QCONFIG, (const char *)32, "{\"version\": 1}"),
    .create = PICK(NO_CREATE, NULL, create),
    .destroy = PICK(NO_DESTROY, NULL, destroy),
    .self_test = self_test,
};

#if FAKE_IS_NO_QUERY
#define qe_plugin_query qe_plugin_query_by_another_name
#endif
#if FAKE_IS_TABLE_HEAP
static qe_plugin *copy;
__attribute__((destructor)) static void free_copy(void) { free(copy); }
#endif

const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor);

__attribute__((visibility("default"))) const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor) {
  (void)host_minor;
  if (IS(QUERY_NULL) || host_major != QE_ABI_MAJOR) return NULL;
#if FAKE_IS_UNDEFINED
  if (qe_fake_symbol_that_nobody_has() != 0) return NULL;
#endif
#if FAKE_IS_GONE
  if (qe_fake_gone() != 0) return NULL;
#endif
  if (IS(TABLE_WILD)) return (const qe_plugin *)8192;
  if (IS(TABLE_ODD)) return (const qe_plugin *)(const void *)((const char *)&plugin + 4);
#if FAKE_IS_TABLE_HEAP
  if (copy == NULL) copy = malloc(sizeof *copy);
  if (copy != NULL) memcpy(copy, &plugin, sizeof plugin);
  return copy;
#endif
  return &plugin;
}
