/*
 * A tiny host for kernel tests: opens the reference plugin, builds a qe_problem from plain row-major arrays, and runs
 * a kernel in every way a real host might: one range and shuffled single tiles, several threads' scratch, baseline and
 * best instruction set, in place, other memory layouts. All of them must give the same bytes, with guard bytes
 * around every buffer untouched and inputs unchanged.
 *
 *   float x[6] = {...}, y[6];
 *   kh_case c = kh_new("Relu");
 *   kh_in(&c, KH_F32(x, 2, 3));
 *   kh_out(&c, KH_F32(y, 2, 3));
 *   kh_run(&c);   // asserts; y holds the result in row-major order
 *
 * Owner of all data is the test. Set params, clamps, constants through the members of kh_case before kh_run.
 */
#ifndef QE_TESTS_KERNEL_HOST_H
#define QE_TESTS_KERNEL_HOST_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/kernel_case.h"

#define KH_GUARD   64
#define KH_JUNK    0xA5
#define KH_PLUGIN  QE_BINARY_DIR "/engines/qe_reference.so"

/* -- the plugin ---------------------------------------------------------------------------------------------------- */

typedef struct kh_engine {
  const qe_plugin *plugin;
  void *self[2]; /* baseline, best */
  qe_cpu cpu[2];
  qe_host host[2];
} kh_engine;

static inline void *kh_host_alloc(void *ctx, size_t size, size_t alignment) {
  (void)ctx;
  return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
static inline void kh_host_free(void *ctx, void *ptr) { (void)ctx; free(ptr); }
static inline void kh_host_log(void *ctx, int level, const char *message) {
  (void)ctx;
  fprintf(stderr, "plugin log %d: %s\n", level, message);
}
static inline void kh_host_error(void *ctx, const char *message) {
  (void)ctx;
  fprintf(stderr, "plugin error: %s\n", message);
}
static inline int kh_host_parallel_for(void *ctx, int64_t n, void (*fn)(void *, int64_t, int64_t), void *arg) {
  (void)ctx;
  fn(arg, 0, n);
  return 0;
}
static inline const char *kh_host_option(void *ctx, const char *key) { (void)ctx; (void)key; return NULL; }

static inline uint64_t kh_best_isa(void) {
#if defined(__x86_64__)
  uint64_t isa = 0;
  if (__builtin_cpu_supports("fma"))
    isa |= QE_ISA_X86_FMA;
  if (__builtin_cpu_supports("avx2"))
    isa |= QE_ISA_X86_AVX2;
  return isa;
#else
  return QE_ISA_ARM_NEON;
#endif
}

/* Opens the plugin once per test process; never closed, so that the table stays valid. */
static inline kh_engine *kh_open(void) {
  static kh_engine engine;
  if (engine.plugin)
    return &engine;
  void *handle = dlopen(KH_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  cr_assert(handle, "%s", dlerror());
  qe_plugin_query_fn query;
  void *symbol = dlsym(handle, QE_PLUGIN_QUERY_SYMBOL);
  cr_assert(symbol);
  memcpy(&query, &symbol, sizeof query);
  engine.plugin = query(QE_ABI_MAJOR, QE_ABI_MINOR);
  cr_assert(engine.plugin);
  for (int i = 0; i < 2; ++i) {
    engine.cpu[i] = (qe_cpu){.struct_size = sizeof(qe_cpu), .cores = 1, .cache_line = 64, .l1d = 32768, .l2 = 1048576};
    engine.cpu[i].isa = i == 1 ? kh_best_isa() : kh_best_isa() & QE_ISA_X86_FMA;
    engine.host[i] = (qe_host){.struct_size = sizeof(qe_host),
                               .abi_major = QE_ABI_MAJOR,
                               .abi_minor = QE_ABI_MINOR,
                               .alloc = kh_host_alloc,
                               .free = kh_host_free,
                               .log = kh_host_log,
                               .error = kh_host_error,
                               .parallel_for = kh_host_parallel_for,
                               .option = kh_host_option,
                               .cpu = &engine.cpu[i]};
    cr_assert_eq(engine.plugin->create(&engine.host[i], &engine.self[i]), 0);
  }
  return &engine;
}

static inline const qe_kernel *kh_kernel_at(uint32_t i) {
  const qe_plugin *p = kh_open()->plugin;
  return (const qe_kernel *)(const void *)((const char *)p->kernels + (size_t)i * p->kernel_stride);
}

/* -- building a problem -------------------------------------------------------------------------------------------- */

/* How operands are laid out in one pass of kh_run. */
typedef enum kh_arrangement { KH_ROW_MAJOR, KH_CHANNELS_LAST, KH_ODD_STRIDES } kh_arrangement;

typedef struct kh_buffer {
  uint8_t *base;       /* guard, payload, guard */
  uint8_t *data;
  size_t bytes;
  uint8_t *before;     /* copy for inputs: must not change */
} kh_buffer;

static inline kh_buffer kh_buffer_new(size_t bytes) {
  kh_buffer b;
  memset(&b, 0, sizeof b);
  b.bytes = bytes;
  b.base = malloc(bytes + 2 * KH_GUARD + 64);
  cr_assert(b.base);
  const uintptr_t start = ((uintptr_t)b.base + KH_GUARD + 63) / 64 * 64;
  b.data = b.base + (start - (uintptr_t)b.base);
  memset(b.base, KH_JUNK, bytes + 2 * KH_GUARD + 64);
  return b;
}
/* An input: nothing behind its last byte, so that a sanitizer sees every over-read. */
static inline kh_buffer kh_buffer_tight(size_t bytes) {
  kh_buffer b;
  memset(&b, 0, sizeof b);
  b.bytes = bytes;
  const size_t lead = (64 - bytes % 64) % 64; /* alignment of the end: 64; of the start: that of the element */
  b.base = aligned_alloc(64, lead + bytes + (lead + bytes == 0 ? 64 : 0));
  cr_assert(b.base);
  b.data = b.base + lead;
  return b;
}
static inline void kh_buffer_check(const kh_buffer *b, const char *what, const char *kernel) {
  for (uint8_t *q = b->base; q < b->data; ++q)
    cr_assert_eq(*q, KH_JUNK, "%s: wrote %ld bytes before %s", kernel, (long)(b->data - q), what);
  for (size_t i = 0; i < KH_GUARD; ++i)
    cr_assert_eq(b->data[b->bytes + i], KH_JUNK, "%s: wrote %zu bytes past the end of %s", kernel, i, what);
}

typedef struct kh_problem {
  qe_problem problem;
  qe_operand operands[2 * KH_MAX_IO];
  const qe_operand *in[KH_MAX_IO], *out[KH_MAX_IO];
} kh_problem;

static inline bool kh_same_shape(const kh_tensor *a, const kh_tensor *b) {
  return a->rank == b->rank && memcmp(a->dims, b->dims, sizeof(int64_t) * a->rank) == 0;
}

/* Fills layout and strides; returns the extent in elements. */
static inline int64_t kh_arrange(qe_operand *o, kh_arrangement how, uint64_t *seed) {
  uint32_t order[QE_MAX_RANK]; /* from the fastest dimension to the slowest */
  for (uint32_t i = 0; i < o->rank; ++i)
    order[i] = o->rank - 1u - i;
  int64_t step = 1;
  o->layout = QE_LAYOUT_ROW_MAJOR;
  if (how == KH_CHANNELS_LAST) {
    o->layout = QE_LAYOUT_CHANNELS_LAST;
    order[0] = 1;
    for (uint32_t i = 1, d = o->rank - 1u; i < o->rank; ++i, --d) {
      if (d == 1)
        --d;
      order[i] = d;
    }
  } else if (how == KH_ODD_STRIDES) {
    for (uint32_t i = o->rank; i > 1; --i) {
      const uint32_t j = (uint32_t)kh_int(seed, 0, (int64_t)i - 1), t = order[i - 1];
      order[i - 1] = order[j];
      order[j] = t;
    }
    step = kh_int(seed, 1, 2);
  }
  int64_t extent = 1;
  for (uint32_t i = 0; i < o->rank; ++i) {
    o->strides[order[i]] = step;
    extent += (o->dims[order[i]] - 1) * step;
    step *= o->dims[order[i]] > 0 ? o->dims[order[i]] : 1;
    if (how == KH_ODD_STRIDES)
      step += kh_int(seed, 0, 1);
  }
  return o->count == 0 ? 0 : extent;
}

static inline void kh_operand_init(qe_operand *o, const kh_tensor *t) {
  memset(o, 0, sizeof *o);
  o->struct_size = sizeof *o;
  o->dtype = t->dtype;
  o->rank = (uint8_t)t->rank;
  memcpy(o->dims, t->dims, sizeof o->dims);
  o->count = kh_count(t);
  o->q_count = t->q_count;
  o->q_axis = t->q_axis;
  o->scales = t->scales;
  o->zero_points = t->zero_points;
}

static inline void kh_problem_init(kh_problem *k, const kh_case *c) {
  memset(k, 0, sizeof *k);
  for (uint32_t i = 0; i < c->n_in; ++i) {
    kh_operand_init(&k->operands[i], &c->in[i]);
    k->in[i] = c->in[i].absent ? NULL : &k->operands[i];
  }
  for (uint32_t i = 0; i < c->n_out; ++i) {
    kh_operand_init(&k->operands[KH_MAX_IO + i], &c->out[i]);
    k->out[i] = c->out[i].absent ? NULL : &k->operands[KH_MAX_IO + i];
  }
  k->problem = (qe_problem){.struct_size = sizeof(qe_problem),
                            .n_in = c->n_in,
                            .n_out = c->n_out,
                            .clamp_lo = c->clamp_lo,
                            .clamp_hi = c->clamp_hi,
                            .act_lo = c->act_lo,
                            .act_hi = c->act_hi,
                            .op = c->op,
                            .in = k->in,
                            .out = k->out,
                            .params = &c->params};
}

/* Copies elements between the row-major array of the test and the operand's memory. */
static inline void kh_copy(const qe_operand *o, uint8_t *memory, uint8_t *row_major, bool to_memory) {
  const size_t size = kh_size(o->dtype);
  if (kh_is_4bit(o->dtype)) { /* inputs of row-major kernels only */
    memcpy(memory, row_major, kh_bytes(o->dtype, (size_t)o->count));
    return;
  }
  for (int64_t i = 0; i < o->count; ++i) {
    int64_t rest = i, offset = 0;
    for (uint32_t d = o->rank; d-- > 0;) {
      offset += rest % o->dims[d] * o->strides[d];
      rest /= o->dims[d];
    }
    if (to_memory)
      memcpy(memory + (size_t)offset * size, row_major + (size_t)i * size, size);
    else
      memcpy(row_major + (size_t)i * size, memory + (size_t)offset * size, size);
  }
}

static inline bool kh_key_fits(const qe_kernel *k, const kh_case *c) {
  if (strcmp(k->key.op, c->op) != 0 || k->key.quantized != (c->quantized ? 1 : 0))
    return false;
  for (uint32_t i = 0; i < QE_KEY_INPUTS; ++i) {
    const uint8_t have = i < c->n_in && !c->in[i].absent ? c->in[i].dtype : QE_DT_NONE;
    if (k->key.in[i] != QE_DT_ANY && k->key.in[i] != have)
      return false;
  }
  return k->key.out == QE_DT_ANY || k->key.out == c->out[0].dtype;
}

/* May this kernel get its operands in this arrangement? */
static inline bool kh_arrangement_fits(const qe_kernel *k, const kh_case *c, kh_arrangement how) {
  switch (k->key.layout) {
  case QE_LAYOUT_ROW_MAJOR: return how == KH_ROW_MAJOR;
  case QE_LAYOUT_CHANNELS_LAST: return how == KH_CHANNELS_LAST;
  case QE_LAYOUT_SAME: {
    if (how == KH_ROW_MAJOR)
      return true;
    if (how != KH_CHANNELS_LAST || c->out[0].rank < 3)
      return false;
    for (uint32_t i = 0; i < c->n_in; ++i)
      if (c->in[i].constant && c->in[i].rank == c->out[0].rank)
        return false;
    return true;
  }
  default: return true;
  }
}

static inline kh_arrangement kh_operand_arrangement(const kh_case *c, const qe_kernel *k, const kh_tensor *t,
                                                    kh_arrangement how) {
  if (how == KH_CHANNELS_LAST) {
    if (t->rank < 3 || t->rank != c->out[0].rank || t->constant)
      return KH_ROW_MAJOR;
    if (k->key.layout == QE_LAYOUT_SAME && !kh_same_shape(t, &c->out[0]))
      return KH_ROW_MAJOR;
  }
  if (how == KH_ODD_STRIDES && t->constant)
    return KH_ROW_MAJOR;
  return how;
}

/* The row that a host would take for this case, or NULL with the reason of the last refusal. */
static inline const qe_kernel *kh_find(const kh_case *c, char *reason, size_t reason_size) {
  kh_engine *e = kh_open();
  const qe_kernel *best = NULL;
  snprintf(reason, reason_size, "no kernel has this key");
  for (uint32_t i = 0; i < e->plugin->kernel_count; ++i) {
    const qe_kernel *k = kh_kernel_at(i);
    if (!kh_key_fits(k, c) || (c->kernel && strcmp(c->kernel, k->name) != 0) || (best && best->priority >= k->priority))
      continue;
    kh_problem problem;
    kh_problem_init(&problem, c);
    uint64_t seed = c->seed;
    const kh_arrangement how = k->key.layout == QE_LAYOUT_CHANNELS_LAST ? KH_CHANNELS_LAST : KH_ROW_MAJOR;
    for (uint32_t j = 0; j < c->n_in; ++j) {
      kh_arrange(&problem.operands[j], kh_operand_arrangement(c, k, &c->in[j], how), &seed);
      if (c->in[j].constant)
        problem.operands[j].data = c->in[j].data;
    }
    for (uint32_t j = 0; j < c->n_out; ++j)
      kh_arrange(&problem.operands[KH_MAX_IO + j], kh_operand_arrangement(c, k, &c->out[j], how), &seed);
    if (!k->supports || k->supports(e->self[1], &problem.problem, reason, reason_size))
      best = k;
  }
  return best;
}

/* -- running ------------------------------------------------------------------------------------------------------- */

/* Which elements of an output have been written: no two tiles may write the same one. */
typedef struct kh_ownership {
  size_t size;          /* of an element */
  uint8_t *owned;       /* one flag per element */
  uint8_t *result;      /* what the tiles wrote, together */
} kh_ownership;

static inline kh_ownership kh_ownership_new(const kh_buffer *b, size_t size) {
  kh_ownership o = {.size = size, .owned = calloc(b->bytes + 1, 1), .result = malloc(b->bytes + 1)};
  cr_assert(o.owned && o.result);
  memset(o.result, KH_JUNK, b->bytes);
  return o;
}
/* Moves what tile `tile` wrote to the result and fills the output with junk again. */
static inline void kh_ownership_take(kh_ownership *o, kh_buffer *b, const char *kernel, int64_t tile) {
  for (size_t at = 0; at < b->bytes; at += o->size) {
    bool touched = false;
    for (size_t i = 0; i < o->size; ++i)
      touched = touched || b->data[at + i] != KH_JUNK;
    if (!touched)
      continue;
    cr_assert(!o->owned[at / o->size], "%s: tile %ld writes element %zu, which another tile wrote", kernel, (long)tile,
              at / o->size);
    o->owned[at / o->size] = 1;
    memcpy(o->result + at, b->data + at, o->size);
    memset(b->data + at, KH_JUNK, o->size);
  }
}
static inline void kh_ownership_end(kh_ownership *o, kh_buffer *b) {
  if (b->bytes)
    memcpy(b->data, o->result, b->bytes);
  free(o->owned);
  free(o->result);
}

/* Memory between the elements of a strided output is nobody's. */
static inline void kh_gaps_check(const qe_operand *o, const kh_buffer *b, const char *kernel) {
  const size_t size = kh_size(o->dtype);
  uint8_t *used = calloc(b->bytes + 1, 1);
  cr_assert(used);
  for (int64_t i = 0; i < o->count; ++i) {
    int64_t rest = i, offset = 0;
    for (uint32_t d = o->rank; d-- > 0;) {
      offset += rest % o->dims[d] * o->strides[d];
      rest /= o->dims[d];
    }
    memset(used + (size_t)offset * size, 1, size);
  }
  for (size_t i = 0; i < b->bytes; ++i)
    cr_assert(used[i] || b->data[i] == KH_JUNK, "%s: wrote byte %zu between the elements of an output", kernel, i);
  free(used);
}

/* One pass: returns run's error; results (row-major) into results[i]. */
static inline int kh_pass(const kh_case *c, const qe_kernel *k, void *self, kh_arrangement how, bool shuffled,
                          bool inplace, uint8_t *const *results) {
  uint64_t seed = c->seed * 977u + (uint64_t)how;
  kh_problem problem;
  kh_problem_init(&problem, c);
  kh_buffer in[KH_MAX_IO], out[KH_MAX_IO];
  const void *in_data[KH_MAX_IO] = {0};
  void *out_data[KH_MAX_IO] = {0};
  memset(in, 0, sizeof in);
  memset(out, 0, sizeof out);
  for (uint32_t i = 0; i < c->n_in; ++i) {
    if (!problem.in[i])
      continue;
    qe_operand *o = &problem.operands[i];
    const int64_t elements = kh_arrange(o, kh_operand_arrangement(c, k, &c->in[i], how), &seed);
    const size_t bytes = kh_bytes(o->dtype, (size_t)elements);
    in[i] = inplace && i == 0 ? kh_buffer_new(bytes) : kh_buffer_tight(bytes);
    memset(in[i].data, KH_JUNK, bytes);
    kh_copy(o, in[i].data, c->in[i].data, true);
    in[i].before = malloc(bytes + 1);
    cr_assert(in[i].before);
    memcpy(in[i].before, in[i].data, bytes);
    in_data[i] = in[i].data;
    if (c->in[i].constant)
      o->data = in[i].data;
  }
  for (uint32_t i = 0; i < c->n_out; ++i) {
    if (!problem.out[i])
      continue;
    qe_operand *o = &problem.operands[KH_MAX_IO + i];
    if (inplace && i == 0) {
      o->layout = problem.operands[0].layout;
      memcpy(o->strides, problem.operands[0].strides, sizeof o->strides);
      out_data[0] = in[0].data;
      continue;
    }
    const size_t bytes =
        (size_t)kh_arrange(o, kh_operand_arrangement(c, k, &c->out[i], how), &seed) * kh_size(o->dtype);
    out[i] = kh_buffer_new(bytes);
    out_data[i] = out[i].data;
  }

  qe_kernel_plan plan = {.struct_size = sizeof plan};
  cr_assert_eq(k->plan(self, &problem.problem, &plan), 0, "%s: plan failed", k->name);
  cr_assert(plan.tiles >= 0, "%s: %ld tiles", k->name, (long)plan.tiles);
  kh_buffer packed = kh_buffer_new(plan.packed_size);
  if (plan.packed_size) {
    cr_assert(k->prepack, "%s: packed_size without prepack", k->name);
    cr_assert_eq(k->prepack(self, &problem.problem, packed.data), 0, "%s: prepack failed", k->name);
  }
  kh_buffer scratch[2] = {kh_buffer_new(plan.scratch_size), kh_buffer_new(plan.scratch_size)};
  int rc = 0;
  int64_t *order = malloc(sizeof(int64_t) * (size_t)(plan.tiles + 1));
  cr_assert(order);
  for (int64_t i = 0; i < plan.tiles; ++i)
    order[i] = i;
  for (int64_t i = plan.tiles; shuffled && i > 1; --i) {
    const int64_t j = kh_int(&seed, 0, i - 1), t = order[i - 1];
    order[i - 1] = order[j];
    order[j] = t;
  }
  const int64_t calls = shuffled ? plan.tiles : (plan.tiles > 0 ? 1 : 0);
  kh_ownership owners[KH_MAX_IO];
  memset(owners, 0, sizeof owners);
  const bool one_by_one = shuffled && !inplace;
  for (uint32_t i = 0; i < c->n_out && one_by_one; ++i)
    owners[i] = kh_ownership_new(&out[i], kh_size(c->out[i].dtype));
  for (int64_t i = 0; i < calls && rc == 0; ++i) {
    const kh_buffer *own_scratch = &scratch[i & 1];
    memset(own_scratch->data, KH_JUNK, own_scratch->bytes);
    const qe_call call = {.struct_size = sizeof call,
                          .thread = (uint32_t)(i & 1),
                          .problem = &problem.problem,
                          .in = in_data,
                          .out = out_data,
                          .packed = plan.packed_size ? packed.data : NULL,
                          .scratch = plan.scratch_size ? own_scratch->data : NULL};
    rc = shuffled ? k->run(self, &call, order[i], order[i] + 1) : k->run(self, &call, 0, plan.tiles);
    for (uint32_t j = 0; j < c->n_out && one_by_one; ++j)
      kh_ownership_take(&owners[j], &out[j], k->name, order[i]);
  }
  for (uint32_t i = 0; i < c->n_out && one_by_one; ++i)
    kh_ownership_end(&owners[i], &out[i]);
  free(order);

  for (uint32_t i = 0; i < c->n_in; ++i)
    if (problem.in[i] && !(inplace && i == 0))
      cr_assert_arr_eq(in[i].before, in[i].data, in[i].bytes, "%s: changed input %u", k->name, i);
  for (uint32_t i = 0; i < c->n_out; ++i)
    if (problem.out[i]) {
      const kh_buffer *b = inplace && i == 0 ? &in[0] : &out[i];
      kh_buffer_check(b, "an output", k->name);
      kh_copy(&problem.operands[KH_MAX_IO + i], b->data, results[i], false);
      if (!inplace)
        kh_gaps_check(&problem.operands[KH_MAX_IO + i], b, k->name);
    }
  kh_buffer_check(&packed, "the packed memory", k->name);
  kh_buffer_check(&scratch[0], "scratch", k->name);
  kh_buffer_check(&scratch[1], "scratch", k->name);
  for (uint32_t i = 0; i < KH_MAX_IO; ++i) {
    free(in[i].base);
    free(in[i].before);
    free(out[i].base);
  }
  free(packed.base);
  free(scratch[0].base);
  free(scratch[1].base);
  return rc;
}

/* Runs the case in every way; results go to the outputs' data. Returns run's error (0 unless may_fail). */
static inline int kh_run(const kh_case *c) {
  kh_engine *e = kh_open();
  char reason[512];
  const qe_kernel *k = kh_find(c, reason, sizeof reason);
  cr_assert(k, "%s: no kernel takes this case: %s", c->op, reason);
  uint8_t *results[KH_MAX_IO] = {0}, *again[KH_MAX_IO] = {0};
  for (uint32_t i = 0; i < c->n_out; ++i) {
    results[i] = c->out[i].data;
    again[i] = malloc((size_t)kh_count(&c->out[i]) * 8 + 1);
    cr_assert(again[i]);
  }
  bool first = true;
  int first_rc = 0;
  for (int how = KH_ROW_MAJOR; how <= KH_ODD_STRIDES; ++how) {
    if (!kh_arrangement_fits(k, c, (kh_arrangement)how))
      continue;
    for (int way = 0; way < 8; ++way) {
      const int isa = way & 1;
      const bool shuffled = way & 2, inplace = way & 4;
      if (inplace) {
        kh_problem problem;
        kh_problem_init(&problem, c);
        uint64_t seed = c->seed;
        for (uint32_t i = 0; i < 2 * KH_MAX_IO; ++i)
          kh_arrange(&problem.operands[i], KH_ROW_MAJOR, &seed);
        for (uint32_t i = 0; i < c->n_in; ++i)
          problem.operands[i].data = c->in[i].constant ? c->in[i].data : NULL;
        qe_kernel_plan plan = {.struct_size = sizeof plan};
        cr_assert_eq(k->plan(e->self[isa], &problem.problem, &plan), 0);
        if (!(plan.flags & QE_PLAN_INPLACE) || how == KH_ODD_STRIDES || !kh_same_shape(&c->in[0], &c->out[0]) ||
            c->in[0].constant || kh_size(c->in[0].dtype) != kh_size(c->out[0].dtype))
          continue;
      }
      const int rc = kh_pass(c, k, e->self[isa], (kh_arrangement)how, shuffled, inplace, first ? results : again);
      if (!c->may_fail)
        cr_assert_eq(rc, 0, "%s: run failed with %d", k->name, rc);
      if (!first) {
        cr_assert_eq(rc, first_rc, "%s: error %d, before %d", k->name, rc, first_rc);
        for (uint32_t i = 0; i < c->n_out && rc == 0; ++i) {
          if (c->out[i].absent)
            continue;
          const size_t size = kh_size(c->out[i].dtype), bytes = (size_t)kh_count(&c->out[i]) * size;
          for (size_t b = 0; b < bytes; ++b)
            cr_assert_eq(results[i][b], again[i][b],
                         "%s: output %u differs at element %zu (arrangement %d, isa %d, %s%s, seed %llu)", k->name, i,
                         b / size, how, isa, shuffled ? "shuffled tiles" : "one range", inplace ? ", in place" : "",
                         (unsigned long long)c->seed);
        }
      }
      first = false;
      first_rc = rc;
    }
  }
  cr_assert(!first, "%s: no arrangement fits", k->name);
  for (uint32_t i = 0; i < c->n_out; ++i)
    free(again[i]);
  return first_rc;
}

/* Asserts that no kernel takes the case, and that the reason contains `part`. */
static inline void kh_refused(const kh_case *c, const char *part) {
  char reason[512];
  const qe_kernel *k = kh_find(c, reason, sizeof reason);
  cr_assert(!k, "%s: kernel %s takes a case that should be refused", c->op, k ? k->name : "");
  cr_assert(strstr(reason, part), "%s: the reason \"%s\" lacks \"%s\"", c->op, reason, part);
}

/* One value of a float op with one input, by the engine's own kernel. */
static inline float kh_activation(const char *op, float x) {
  float y = 0.0f;
  const kh_engine *e = kh_open();
  kh_case c = kh_new(op);
  kh_in(&c, KH_SCALAR(QE_DT_F32, &x));
  kh_out(&c, KH_SCALAR(QE_DT_F32, &y));
  char reason[64];
  const qe_kernel *k = kh_find(&c, reason, sizeof reason);
  kh_problem problem;
  kh_problem_init(&problem, &c);
  const void *in[1] = {&x};
  void *out[1] = {&y};
  const qe_call call = {.struct_size = sizeof call, .problem = &problem.problem, .in = in, .out = out};
  cr_assert_eq(k->run(e->self[1], &call, 0, 1), 0);
  return y;
}

#endif
