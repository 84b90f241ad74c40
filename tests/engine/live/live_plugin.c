/*
 * A small engine that computes: Relu of float32, Lookup of bytes, and an observer. Sessions run on it. -DLIVE_IS_X
 * builds one that misbehaves between plan and run (live.def); -DLIVE_NAME names it. Also built against other versions of the
 * header, so it uses only what every version has.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qengine_plugin.h"

#ifndef LIVE_NAME
#define LIVE_NAME "live"
#endif

enum { PACKED = 64, SCRATCH = 64, ALIGNMENT = 4096, TILE = 7, WORD = 0x6c697665 };

typedef struct state { /* what create makes; gone after destroy */
  const qe_host *host;
  uint32_t word;
} state;

/* ---- kernels ---- */

static int supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
#if defined(LIVE_IS_DECLINES)
  memset(reason, 'n', reason_size); /* and no zero at its end */
  return 0;
#elif defined(LIVE_IS_SAYS_TWO)
  return 2;
#endif
  if (p->in[0]->count == p->out[0]->count) return 1;
  snprintf(reason, reason_size, "input and output differ in size");
  return 0;
}

static int plan(void *self, const qe_problem *p, qe_kernel_plan *out) {
  const state *s = self;
  (void)s;
  out->tiles = (p->out[0]->count + TILE - 1) / TILE;
  out->packed_size = PACKED;
  out->scratch_size = SCRATCH;
#if defined(LIVE_IS_PLAN_FAILS)
  s->host->error(s->host->ctx, "no plan today");
  return 3;
#elif defined(LIVE_IS_PLAN_FAILS_SILENTLY)
  return -1;
#elif defined(LIVE_IS_NEGATIVE_TILES)
  out->tiles = -1;
#elif defined(LIVE_IS_HUGE_TILES)
  out->tiles = INT64_MAX;
#elif defined(LIVE_IS_HUGE_SCRATCH)
  out->scratch_size = UINT64_MAX;
#elif defined(LIVE_IS_HUGE_PACKED)
  out->packed_size = UINT64_MAX;
#elif defined(LIVE_IS_LARGE_PACKED)
  out->packed_size = UINT64_C(1) << 50;
#elif defined(LIVE_IS_TALKS)
  char *text = malloc(1 << 20);
  if (text == NULL) return 1;
  memset(text, 't', (1 << 20) - 1);
  text[(1 << 20) - 1] = '\0';
  s->host->log(s->host->ctx, 1, text);
  s->host->error(s->host->ctx, text);
  free(text);
#endif
  return 0;
}

__attribute__((unused)) /* one build offers no prepack */
static int prepack(void *self, const qe_problem *p, void *packed) {
  const state *s = self;
  (void)p;
#if defined(LIVE_IS_PREPACK_FAILS)
  s->host->error(s->host->ctx, "the scales are foul");
  return 4;
#endif
  if ((uintptr_t)packed % ALIGNMENT != 0) return 5;
  memset(packed, 0, PACKED);
  memcpy(packed, &s->word, sizeof s->word);
  return 0;
}

/* 0 when the host gave what was asked for. */
static int check_call(const state *s, const qe_call *call) {
  if (s->word != WORD || memcmp(call->packed, &s->word, sizeof s->word) != 0) return 6;
  if ((uintptr_t)call->packed % ALIGNMENT != 0 || (uintptr_t)call->scratch % ALIGNMENT != 0) return 7;
  memset(call->scratch, 1, SCRATCH);
#if defined(LIVE_IS_RUN_FAILS)
  return 9;
#else
  return 0;
#endif
}

static int64_t last_of(const qe_problem *p, int64_t tile_end) {
  return tile_end * TILE < p->out[0]->count ? tile_end * TILE : p->out[0]->count;
}

static int relu(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const float *x = call->in[0];
  float *y = call->out[0];
  const int wrong = check_call(self, call);
  if (wrong != 0) return wrong;
  for (int64_t i = tile_begin * TILE; i < last_of(p, tile_end); i++) {
    const float v = x[i] > 0.0f ? x[i] : 0.0f;
    y[i] = v < p->act_lo ? p->act_lo : v > p->act_hi ? p->act_hi : v;
  }
  return 0;
}

static int lookup(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const uint8_t *x = call->in[0], *table = call->in[1];
  uint8_t *y = call->out[0];
  const int wrong = check_call(self, call);
  if (wrong != 0) return wrong;
  for (int64_t i = tile_begin * TILE; i < last_of(call->problem, tile_end); i++) y[i] = table[x[i]];
  return 0;
}

#ifdef LIVE_IS_NO_PREPACK
#define PREPACK NULL
#else
#define PREPACK prepack
#endif

static const qe_kernel kernels[] = {
    {.struct_size = sizeof(qe_kernel),
     .key = {.op = "Relu", .in = {QE_DT_F32}, .out = QE_DT_F32, .layout = QE_LAYOUT_SAME},
     .name = "relu_f32__live",
     .alignment = ALIGNMENT,
#ifdef QE_ABI_APPENDED_BY_TEST
     .appended_by_test = {77, 78},
#endif
     .supports = supports,
     .plan = plan,
     .prepack = PREPACK,
     .run = relu},
    {.struct_size = sizeof(qe_kernel),
     .key = {.op = "Lookup", .in = {QE_DT_U8, QE_DT_U8}, .out = QE_DT_U8, .layout = QE_LAYOUT_SAME},
     .name = "lookup_u8__live",
     .alignment = ALIGNMENT,
     .supports = supports,
     .plan = plan,
     .prepack = PREPACK,
     .run = lookup},
};

/* ---- the observer: smallest and largest value, widened to hold zero ---- */

typedef struct range {
  int32_t qmin, qmax;
  float lo, hi;
  int32_t seen;
} range;

static int range_init(void *self, void *to, const qe_observer_args *args) {
  const state *s = self;
  range *r = to;
  if (args->per_channel != 0) {
    s->host->error(s->host->ctx, "live_range has one range for the whole tensor; choose a per-tensor scheme");
    return 1;
  }
  r->qmin = args->quant_min;
  r->qmax = args->quant_max;
  return 0;
}

static int range_observe(void *self, void *to, const float *x, uint32_t rank, const int64_t *dims) {
  range *r = to;
  int64_t count = 1;
  (void)self;
  for (uint32_t d = 0; d < rank; d++) count *= dims[d];
  for (int64_t i = 0; i < count; i++) {
    if (x[i] < r->lo) r->lo = x[i];
    if (x[i] > r->hi) r->hi = x[i];
  }
  r->seen = 1;
  return 0;
}

static int range_merge(void *self, void *to, const void *from) {
  range *r = to;
  const range *other = from;
  (void)self;
  if (other->lo < r->lo) r->lo = other->lo;
  if (other->hi > r->hi) r->hi = other->hi;
  r->seen |= other->seen;
  return 0;
}

static int range_qparams(void *self, const void *from, uint32_t capacity, float *scales, int32_t *zero_points,
                         uint32_t *count) {
  const range *r = from;
  (void)self;
  *count = r->seen ? 1 : 0;
  if (capacity == 0 || !r->seen) return 0;
  const float width = r->hi - r->lo;
  scales[0] = width > 0.0f ? width / (float)(r->qmax - r->qmin) : 1.0f;
  const float zero = (float)r->qmin - r->lo / scales[0];
  zero_points[0] = zero < (float)r->qmin ? r->qmin : zero > (float)r->qmax ? r->qmax : (int32_t)nearbyintf(zero);
  return 0;
}

static int range_save(void *self, const void *from, void *buffer, size_t *size) {
  (void)self;
  *size = sizeof(range);
  if (buffer != NULL) memcpy(buffer, from, sizeof(range));
  return 0;
}

static int range_load(void *self, void *to, const void *buffer, size_t size) {
  (void)self;
  if (size != sizeof(range)) return 1;
  memcpy(to, buffer, size);
  return 0;
}

static const qe_observer observers[] = {
    {.struct_size = sizeof(qe_observer),
     .name = LIVE_NAME "_range",
     .state_size = sizeof(range),
#ifdef QE_ABI_APPENDED_BY_TEST
     .appended_by_test = {77, 78},
#endif
     .init = range_init,
     .observe = range_observe,
     .merge = range_merge,
     .qparams = range_qparams,
     .save = range_save,
     .load = range_load},
};

/* ---- the engine ---- */

static int create(const qe_host *host, void **self) {
#ifdef QE_ABI_APPENDED_BY_TEST
  /* A service of a later version may be there or not; only struct_size tells. */
  if (host->struct_size >= sizeof(qe_host) && host->abi_minor < QE_ABI_MINOR) return 1;
#endif
  state *s = host->alloc(host->ctx, sizeof *s, 64);
  if (s == NULL) return 2;
  *s = (state){host, WORD};
  *self = s;
  return 0;
}

static void destroy(void *self) {
  state *s = self;
  const qe_host *host = s->host;
  s->word = 0;
  host->log(host->ctx, 2, "ends");
  host->free(host->ctx, s);
}

static const qe_plugin plugin = {
    .magic = QE_PLUGIN_MAGIC,
    .struct_size = sizeof(qe_plugin),
    .abi_major = QE_ABI_MAJOR,
    .abi_minor = QE_ABI_MINOR,
    .sanitizer = QE_PLUGIN_SANITIZER,
    .engine = LIVE_NAME,
    .vendor = "nobody",
    .version = "2.0",
    .build_id = "test",
    .license = "Apache-2.0",
    .priority = -10,
    .kernel_count = sizeof kernels / sizeof kernels[0],
    .kernel_stride = sizeof kernels[0],
    .observer_count = 1,
    .observer_stride = sizeof observers[0],
    .kernels = kernels,
    .observers = observers,
#ifdef QE_ABI_APPENDED_BY_TEST
    .appended_by_test = {77, 78},
#endif
    .create = create,
    .destroy = destroy,
};

const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor);

__attribute__((visibility("default"))) const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor) {
  (void)host_minor;
#ifdef LIVE_FOR_ANY_HOST
  (void)host_major;
#else
  if (host_major != QE_ABI_MAJOR) return NULL;
#endif
  return &plugin;
}
