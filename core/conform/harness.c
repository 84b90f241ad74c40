/*
 * One kernel on one case: the problem in the layout that the kernel's key asks for, its plan, its packed weights, its
 * tiles in some order on some threads, and the outputs brought back to row-major order.
 */
#include "conform/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_MEMORY (UINT64_C(1) << 32)

/* ---- layouts ---- */

static bool first_only(const qe__op_schema *op) {
  return op->infer != qe__infer_binary && op->infer != qe__infer_compare && op->infer != qe__infer_logical &&
         op->infer != qe__infer_where;
}

static bool same_dims(const qe__case_operand *a, const qe__case_operand *b) {
  return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]) == 0;
}

/* Row-major with holes between elements and rows. */
static void gap_strides(qe_operand *o, uint32_t which) {
  int64_t stride = 1 + which % 2;
  o->layout = QE_LAYOUT_ROW_MAJOR;
  for (uint32_t d = o->rank; d-- > 0;) {
    o->strides[d] = stride;
    stride = stride * (o->dims[d] > 0 ? o->dims[d] : 1) + 1 + d % 2;
  }
}

static void set_operand(const qe__case_operand *from, uint8_t layout, bool gaps, uint32_t which, qe_operand *o) {
  memset(o, 0, sizeof *o);
  o->struct_size = sizeof *o;
  o->dtype = (uint8_t)from->dtype;
  o->rank = (uint8_t)from->rank;
  o->count = from->count;
  memcpy(o->dims, from->dims, sizeof o->dims);
  o->q_axis = -1;
  if (from->q.view.count) {
    o->q_count = from->q.view.count;
    o->q_axis = from->q.view.count > 1 ? from->q.view.axis : -1;
    o->scales = from->q.scales;
    o->zero_points = from->q.zero_points;
  }
  if (gaps)
    gap_strides(o, which);
  else
    qe__operand_set_strides(o, layout);
}

/* What the planner gives (runtime/place.c), and for kernels that take any strides also what it could give. */
static bool set_layouts(const qe__built *b, uint8_t key, qe__arrange arrange, qe__problem *p) {
  const qe__op_schema *op = b->node->op;
  const qe__case_operand *y = &b->out[0];
  const bool relayout = op->id == QE__OP_Relayout,
             weighted = qe__op_is_weighted(op->id) || op->id == QE__OP_ConvInteger;
  const bool last = key == QE_LAYOUT_CHANNELS_LAST ||
                    (arrange == QE__CHANNELS_LAST && (key == QE_LAYOUT_SAME || key == QE_LAYOUT_STRIDED));
  const bool gaps = arrange == QE__GAPS && key == QE_LAYOUT_STRIDED;
  if (key == QE_LAYOUT_CHANNELS_LAST && y->rank < 3) return false;
  for (uint32_t i = 0; i < b->n_kernel_in; i++) {
    const qe__case_operand *x = &b->in[i];
    if (!x->present) continue;
    const bool data = i == 0 || (key == QE_LAYOUT_SAME ? !first_only(op) : !weighted && !x->constant);
    const bool strided = i == 0 || !first_only(op) || op->id == QE__OP_Concat; /* the others are parameters: dense */
    if (key == QE_LAYOUT_SAME && data && !same_dims(x, y)) return false;
    const bool wanted = last && data && !x->constant && x->rank == y->rank;
    set_operand(x, wanted ? QE_LAYOUT_CHANNELS_LAST : QE_LAYOUT_ROW_MAJOR, gaps && strided && !x->constant, i,
                &p->in[i]);
    p->in_list[i] = &p->in[i];
  }
  for (uint32_t i = 0; i < b->n_out; i++) {
    const bool row_major = relayout && arrange != QE__TIGHT;
    const bool wanted = (last || (relayout && arrange == QE__TIGHT)) && !row_major;
    set_operand(&b->out[i], wanted ? QE_LAYOUT_CHANNELS_LAST : QE_LAYOUT_ROW_MAJOR, gaps, i + 1, &p->out[i]);
    p->out_list[i] = &p->out[i];
  }
  return true;
}

/* What an operand's memory is aligned to: its element. */
static size_t element_bytes(const qe_operand *o) {
  const size_t bits = qe_dtype_bits((qe_dtype_t)o->dtype);
  return bits < 8 ? 1 : bits / 8;
}

static bool make_problem(const qe__kernel *kernel, const qe__built *b, qe__arrange arrange, qe__problem *p) {
  memset(p, 0, sizeof *p);
  if (!set_layouts(b, kernel->row.key.layout, arrange, p)) return false;
  p->params = b->params;
  p->problem = (qe_problem){.struct_size = sizeof p->problem,
                            .n_in = b->n_kernel_in,
                            .n_out = b->n_out,
                            .clamp_lo = b->clamp_lo,
                            .clamp_hi = b->clamp_hi,
                            .act_lo = b->act.lo,
                            .act_hi = b->act.hi,
                            .op = b->node->op->name,
                            .in = p->in_list,
                            .out = p->out_list,
                            .params = &p->params};
  return true;
}

qe__arrange qe__case_arrange(const qe__kernel *kernel, const qe__built *b) {
  const uint8_t key = kernel->row.key.layout;
  if (qe__case_is(&b->text, "lay", "cl") && (key == QE_LAYOUT_SAME || key == QE_LAYOUT_STRIDED))
    return QE__CHANNELS_LAST;
  return qe__case_is(&b->text, "lay", "gap") && key == QE_LAYOUT_STRIDED ? QE__GAPS : QE__TIGHT;
}

static bool asks(const qe__kernel *kernel, const qe__problem *p, char *reason, size_t size) {
  reason[0] = '\0';
  if (!kernel->row.supports) return true;
  const int yes = kernel->row.supports(kernel->engine->self, &p->problem, reason, size);
  reason[size - 1] = '\0';
  return yes == 1;
}

bool qe__case_supported(const qe__kernel *kernel, const qe__built *b, qe__arrange arrange, char *reason, size_t size) {
  qe_kernel_key key;
  qe__problem p;
  qe__built_key(b, &key);
  if (!qe__key_fits(&kernel->row.key, &key)) {
    snprintf(reason, size, "the kernel's key is for other types");
    return false;
  }
  if (!make_problem(kernel, b, arrange, &p)) {
    snprintf(reason, size, "the kernel's memory layout does not fit these shapes");
    return false;
  }
  for (uint32_t i = 0; i < b->n_kernel_in; i++) {
    if (b->in[i].constant && b->in[i].data) p.in[i].data = b->in[i].data->data;
  }
  return asks(kernel, &p, reason, size);
}

/* ---- copying between row-major data and an operand's memory ---- */

static size_t extent_bytes(const qe_operand *o) {
  int64_t last = 0;
  if (o->count == 0) return 0;
  for (uint32_t d = 0; d < o->rank; d++) last += (o->dims[d] - 1) * o->strides[d];
  return ((size_t)(last + 1) * qe_dtype_bits((qe_dtype_t)o->dtype) + 7) / 8;
}

/* 4-bit types have no size: their operands are dense and are copied as bytes. */
static void copy_elements(const qe_operand *o, uint8_t *memory, uint8_t *dense, bool to_memory) {
  const size_t size = qe_dtype_bits((qe_dtype_t)o->dtype) / 8;
  if (size == 0) {
    const size_t bytes = extent_bytes(o);
    if (bytes) memcpy(to_memory ? memory : dense, to_memory ? dense : memory, bytes);
    return;
  }
  int64_t at[QE_MAX_RANK] = {0}, offset = 0;
  for (int64_t i = 0; i < o->count; i++) {
    uint8_t *m = memory + (size_t)offset * size, *d = dense + (size_t)i * size;
    memcpy(to_memory ? m : d, to_memory ? d : m, size);
    for (uint32_t k = o->rank; k-- > 0;) {
      offset += o->strides[k];
      if (++at[k] < o->dims[k]) break;
      offset -= o->strides[k] * o->dims[k];
      at[k] = 0;
    }
  }
}

/* ---- a session: everything one kernel needs for one case ---- */

static void fault(qe__run_result *r, const char *check, const char *format, ...) QE__PRINTF(3, 4);
static void fault(qe__run_result *r, const char *check, const char *format, ...) {
  va_list args;
  if (r->check[0]) return; /* the first one counts */
  snprintf(r->check, sizeof r->check, "%s", check);
  va_start(args, format);
  vsnprintf(r->detail, sizeof r->detail, format, args);
  va_end(args);
}

static void end(qe__session *s) {
  for (uint32_t i = 0; i < s->n_regions; i++) qe__guard_free(&s->regions[i]);
  qe__free(s->order);
}

static qe_status_t region(qe__session *s, size_t bytes, size_t alignment, const char *name, uint8_t **data) {
  qe__guard_region *r = &s->regions[s->n_regions];
  QE_TRY(qe__guard_create(bytes, alignment, s->mode->at_start, name, r));
  s->n_regions++;
  *data = r->data;
  return QE_OK;
}

static void poison(void *data, size_t bytes, uint8_t seed) {
  uint8_t *p = data;
  for (size_t i = 0; i < bytes; i++) p[i] = (uint8_t)(seed + i * 29u);
}

static qe_status_t place_operands(qe__session *s) {
  const qe__built *b = s->b;
  char name[24];
  for (uint32_t i = 0; i < b->n_kernel_in; i++) {
    if (!b->in[i].present) continue;
    snprintf(name, sizeof name, "input %u", (unsigned)i);
    const size_t bytes = extent_bytes(&s->p.in[i]);
    uint8_t *data;
    QE_TRY(region(s, bytes, element_bytes(&s->p.in[i]), name, &data));
    poison(data, bytes, 0x3C);
    copy_elements(&s->p.in[i], data, b->in[i].data->data, true);
    s->in[i] = data;
    if (b->in[i].constant) s->p.in[i].data = data;
    if (s->mode->guard && !(i == 0 && s->mode->in_place)) qe__guard_protect(&s->regions[s->n_regions - 1], true);
  }
  for (uint32_t i = 0; i < b->n_out; i++) {
    snprintf(name, sizeof name, "output %u", (unsigned)i);
    uint8_t *data;
    if (i == 0 && s->mode->in_place) {
      s->out[0] = (void *)(uintptr_t)s->in[0];
      continue;
    }
    QE_TRY(region(s, extent_bytes(&s->p.out[i]), element_bytes(&s->p.out[i]), name, &data));
    s->out[i] = data;
  }
  return QE_OK;
}

/* prepack behind the signature of run, so that faults are caught alike. */
static int call_prepack(void *self, const qe_call *call, int64_t begin, int64_t stop) {
  const qe__session *s = self;
  (void)call;
  (void)begin;
  (void)stop;
  return s->kernel->row.prepack(s->kernel->engine->self, &s->p.problem, s->packed);
}

static bool watched_fine(const qe__session *s, const qe__watched *w, const char *what, qe__run_result *out) {
  char text[160];
  if (w->faulted) {
    qe__guard_explain(s->regions, s->n_regions, w, text, sizeof text);
    fault(out, "guard", "%s %s", what, text);
  } else if (w->result != 0) {
    fault(out, what, "%s failed with code %d although supports() said yes", what, w->result);
  } else if (w->registers[0]) {
    fault(out, "registers", "%s: %s", what, w->registers);
  }
  return !out->check[0];
}

static uint32_t thread_count(const qe__session *s) {
  const uint32_t lanes = s->mode->lanes > 1 ? s->mode->lanes : 1;
  return s->pool ? qe__pool_threads(s->pool) : lanes < QE__MOST_THREADS ? lanes : QE__MOST_THREADS;
}

static qe_status_t plan_and_pack(qe__session *s, qe__run_result *out) {
  const qe_kernel *row = &s->kernel->row;
  const size_t alignment = row->alignment ? row->alignment : 64;
  s->plan.struct_size = sizeof s->plan;
  if (row->plan(s->kernel->engine->self, &s->p.problem, &s->plan) != 0) {
    fault(out, "plan", "plan() failed although supports() said yes");
    return QE_OK;
  }
  if (s->plan.tiles < 0 || s->plan.packed_size > MOST_MEMORY || s->plan.scratch_size > MOST_MEMORY ||
      (s->plan.packed_size && !row->prepack)) {
    fault(out, "plan", "plan() asks for %lld tiles, %llu bytes of packed%s and %llu bytes of scratch memory",
          (long long)s->plan.tiles, (unsigned long long)s->plan.packed_size,
          row->prepack ? "" : " (without a prepack function)", (unsigned long long)s->plan.scratch_size);
    return QE_OK;
  }
  if (s->plan.packed_size) {
    qe__watched w;
    QE_TRY(region(s, (size_t)s->plan.packed_size, alignment, "packed weights", &s->packed));
    poison(s->packed, (size_t)s->plan.packed_size, s->mode->poison);
    qe__watch(call_prepack, s, NULL, 0, 0, false, false, &w);
    if (!watched_fine(s, &w, "prepack", out)) return QE_OK;
    if (s->mode->guard) qe__guard_protect(&s->regions[s->n_regions - 1], true);
  }
  const uint32_t threads = thread_count(s);
  for (uint32_t t = 0; t < threads && s->plan.scratch_size; t++)
    QE_TRY(region(s, (size_t)s->plan.scratch_size, alignment, "scratch", &s->scratch[t]));
  return QE_OK;
}

/* ---- tiles ---- */

static qe_status_t make_order(qe__session *s) {
  const int64_t tiles = s->plan.tiles;
  s->pieces = tiles;
  if ((s->mode->order == 0 && !s->pool && s->mode->lanes <= 1) || tiles <= 1)
    s->pieces = tiles > 0 ? 1 : 0;
  else if (tiles > QE__MOST_PIECES)
    s->pieces = QE__MOST_PIECES;
  if (!(s->order = qe__calloc((size_t)s->pieces + 1, sizeof *s->order))) return QE_ERROR_OUT_OF_MEMORY;
  uint64_t state = s->b->seed;
  for (int64_t i = 0; i < s->pieces; i++) s->order[i] = s->mode->order == 1 ? s->pieces - 1 - i : i;
  for (int64_t i = s->pieces - 1; s->mode->order == 2 && i > 0; i--) {
    const int64_t j = qe__random_int(&state, 0, i), t = s->order[i];
    s->order[i] = s->order[j];
    s->order[j] = t;
  }
  return QE_OK;
}

static int run_pieces(void *arg, uint32_t thread, int64_t begin, int64_t stop) {
  qe__session *s = arg;
  qe_call call = {.struct_size = sizeof call,
                  .thread = thread,
                  .problem = &s->p.problem,
                  .in = s->in,
                  .out = s->out,
                  .packed = s->packed,
                  .scratch = s->scratch[thread]};
  for (int64_t i = begin; i < stop; i++) {
    if (s->mode->lanes > 1) { /* the caller plays all threads in turn: the same every time */
      call.thread = (uint32_t)(i % s->mode->lanes);
      call.scratch = s->scratch[call.thread];
    }
    const int64_t piece = s->order[i], from = piece * s->plan.tiles / s->pieces,
                  to = (piece + 1) * s->plan.tiles / s->pieces;
    qe__watched w;
    qe__watch(s->kernel->row.run, s->kernel->engine->self, &call, from, to, s->mode->registers, s->mode->flush, &w);
    s->tiny[thread] |= w.tiny;
    if (!w.faulted && w.result == 0 && !w.registers[0]) continue;
    s->bad[thread] = w;
    return 1;
  }
  return 0;
}

static void run_all(qe__session *s, uint8_t seed, qe__run_result *out) {
  const uint32_t threads = thread_count(s);
  for (uint32_t i = 0; i < s->b->n_out; i++) {
    if (!(i == 0 && s->mode->in_place)) poison(s->out[i], extent_bytes(&s->p.out[i]), (uint8_t)(seed + 7));
  }
  for (uint32_t t = 0; t < threads && s->plan.scratch_size; t++)
    poison(s->scratch[t], (size_t)s->plan.scratch_size, seed);
  memset(s->bad, 0, sizeof s->bad);
  const int failed = s->pool ? qe__pool_run(s->pool, s->pieces, run_pieces, s) : run_pieces(s, 0, 0, s->pieces);
  for (uint32_t t = 0; t < threads && failed; t++) (void)watched_fine(s, &s->bad[t], "run", out);
  for (uint32_t t = 0; t < threads; t++) out->tiny |= s->tiny[t];
}

/* Bytes around the buffers, and in the holes between an output's elements, are as they were. */
static void check_slack(qe__session *s, uint8_t seed, qe__run_result *out) {
  char text[160];
  for (uint32_t i = 0; i < s->n_regions; i++) {
    if (!qe__guard_intact(&s->regions[i], text, sizeof text)) fault(out, "guard", "%s", text);
  }
  if (s->mode->arrange != QE__GAPS) return;
  for (uint32_t i = 0; i < s->b->n_out; i++) {
    const size_t bytes = extent_bytes(&s->p.out[i]);
    uint8_t *copy = qe__calloc(bytes + 1, 1);
    if (!copy) return;
    memcpy(copy, s->out[i], bytes);
    uint8_t *dense = qe__calloc((size_t)s->p.out[i].count + 1, 8);
    if (dense) { /* elements get the pattern back; what still differs was a hole */
      uint8_t *pattern = qe__calloc(bytes + 1, 1);
      if (pattern) {
        poison(pattern, bytes, (uint8_t)(seed + 7));
        copy_elements(&s->p.out[i], pattern, dense, false);
        copy_elements(&s->p.out[i], copy, dense, true);
        for (size_t k = 0; k < bytes; k++) {
          if (copy[k] != pattern[k]) {
            fault(out, "guard", "wrote byte %zu of output %u, a gap between its elements (strides)", k, (unsigned)i);
            break;
          }
        }
      }
      qe__free(pattern);
    }
    qe__free(dense);
    qe__free(copy);
  }
}

static qe_status_t collect(qe__session *s, void **out, size_t *bytes) {
  for (uint32_t i = 0; i < s->b->n_out; i++) {
    bytes[i] = (size_t)s->p.out[i].count * (qe_dtype_bits((qe_dtype_t)s->p.out[i].dtype) / 8);
    if (!out[i] && !(out[i] = qe__calloc(bytes[i] + 1, 1))) return QE_ERROR_OUT_OF_MEMORY;
    copy_elements(&s->p.out[i], s->out[i], out[i], false);
  }
  return QE_OK;
}

static qe_status_t repeat(qe__session *s, qe__run_result *out) {
  qe__run_result again = {0};
  qe_status_t status = QE_OK;
  for (uint32_t r = 0; r < s->mode->repeats && status == QE_OK && !out->check[0]; r++) {
    run_all(s, (uint8_t)(s->mode->poison + 101 * (r + 1)), out);
    if (!out->check[0]) status = collect(s, again.out, again.out_bytes);
    for (uint32_t i = 0; i < s->b->n_out && status == QE_OK && !out->check[0]; i++) {
      if (memcmp(out->out[i], again.out[i], out->out_bytes[i]) != 0)
        fault(out, "determinism",
              "run %u over the same buffers gives other bytes than the first one: the kernel keeps state, or leaves "
              "elements unwritten",
              (unsigned)(r + 2));
    }
  }
  qe__run_result_free(&again);
  return status;
}

static qe_status_t begin(const qe__kernel *kernel, const qe__built *b, const qe__run_mode *mode, qe__session *s,
                         qe__run_result *out) {
  char reason[200];
  memset(s, 0, sizeof *s);
  s->kernel = kernel;
  s->b = b;
  s->mode = mode;
  if (mode->threads > 1) QE_TRY(qe__harness_pool(mode->threads, &s->pool));
  if (!make_problem(kernel, b, mode->arrange, &s->p)) {
    out->unsupported = true;
    snprintf(out->detail, sizeof out->detail, "the kernel's memory layout does not fit these shapes");
    return QE_OK;
  }
  QE_TRY(place_operands(s));
  if (!asks(kernel, &s->p, reason, sizeof reason)) {
    out->unsupported = true;
    snprintf(out->detail, sizeof out->detail, "%s", reason[0] ? reason : "declined without a reason");
    return QE_OK;
  }
  QE_TRY(plan_and_pack(s, out));
  return out->check[0] ? QE_OK : make_order(s);
}

qe_status_t qe__case_run(const qe__kernel *kernel, const qe__built *b, const qe__run_mode *mode, qe__run_result *out) {
  qe__session *s = qe__calloc(1, sizeof *s);
  memset(out, 0, sizeof *out);
  if (!s) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = begin(kernel, b, mode, s, out);
  if (status == QE_OK && !out->unsupported && !out->check[0]) {
    out->can_run_in_place = (s->plan.flags & QE_PLAN_INPLACE) && b->n_out == 1 && b->in[0].present &&
                            !b->in[0].constant && extent_bytes(&s->p.in[0]) == extent_bytes(&s->p.out[0]) &&
                            memcmp(s->p.in[0].strides, s->p.out[0].strides, sizeof s->p.in[0].strides) == 0;
    run_all(s, mode->poison, out);
    if (mode->guard) check_slack(s, mode->poison, out);
    if (!out->check[0]) status = collect(s, out->out, out->out_bytes);
    if (status == QE_OK) status = repeat(s, out);
  }
  end(s);
  qe__free(s);
  return status;
}

void qe__run_result_free(qe__run_result *r) {
  for (int i = 0; i < QE__CASE_OUT; i++) {
    qe__free(r->out[i]);
    r->out[i] = NULL;
  }
}

/* ---- time ---- */

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_time(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

qe_status_t qe__case_time(const qe__kernel *kernel, const qe__built *b, double seconds, qe__run_result *out) {
  enum { MOST = 2000 };
  const qe__run_mode mode = {.arrange = qe__case_arrange(kernel, b)};
  qe__session *s = qe__calloc(1, sizeof *s);
  double *times = qe__calloc(MOST, sizeof *times);
  memset(out, 0, sizeof *out);
  qe_status_t status = s && times ? begin(kernel, b, &mode, s, out) : QE_ERROR_OUT_OF_MEMORY;
  if (status == QE_OK && !out->unsupported && !out->check[0]) {
    const qe_call call = {.struct_size = sizeof call,
                          .problem = &s->p.problem,
                          .in = s->in,
                          .out = s->out,
                          .packed = s->packed,
                          .scratch = s->scratch[0]};
    const double stop = now_ns() + seconds * 1e9;
    uint32_t n = 0, warm = 3;
    while (s->plan.tiles > 0 && n < MOST && (n < 3 || now_ns() < stop)) {
      const double from = now_ns();
      if (kernel->row.run(kernel->engine->self, &call, 0, s->plan.tiles) != 0) {
        fault(out, "run", "run failed");
        break;
      }
      if (warm > 0)
        warm--;
      else
        times[n++] = now_ns() - from;
    }
    qsort(times, n, sizeof *times, by_time);
    out->ns_min = n ? times[0] : 0.0;
    out->ns_median = n ? times[n / 2] : 0.0;
  }
  if (s) end(s);
  qe__free(s);
  qe__free(times);
  return status;
}
