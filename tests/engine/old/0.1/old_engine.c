/*
 * The engine that stays as it was when ABI 0.1 was published: this file, the header beside it and old_engine.so, which
 * build.sh made of them, are never changed. One kernel, Relu of float32; links to nothing.
 */
#include "qengine_plugin.h"

enum { TILE = 16, PACKED = 128, SCRATCH = 32 };

static const qe_host *services;

static int supports(void *self, const qe_problem *p, char *reason, size_t reason_size) {
  (void)self;
  if (p->n_in == 1 && p->in[0]->count == p->out[0]->count) return 1;
  if (reason_size > 0) reason[0] = '\0';
  return 0;
}

static int plan(void *self, const qe_problem *p, qe_kernel_plan *out) {
  (void)self;
  out->tiles = (p->out[0]->count + TILE - 1) / TILE;
  out->packed_size = PACKED;
  out->scratch_size = SCRATCH;
  return 0;
}

static int prepack(void *self, const qe_problem *p, void *packed) {
  unsigned char *to = packed;
  (void)self;
  (void)p;
  for (int i = 0; i < PACKED; i++) to[i] = (unsigned char)i;
  return 0;
}

static int run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const unsigned char *packed = call->packed;
  const float *x = call->in[0];
  float *y = call->out[0];
  const int64_t count = p->out[0]->count, end = tile_end * TILE < count ? tile_end * TILE : count;
  (void)self;
  for (int i = 0; i < PACKED; i++) {
    if (packed[i] != i) return 1;
  }
  for (int i = 0; i < SCRATCH; i++) ((volatile unsigned char *)call->scratch)[i] = 1;
  for (int64_t i = tile_begin * TILE; i < end; i++) {
    const float v = x[i] > 0.0f ? x[i] : 0.0f;
    y[i] = v < p->act_lo ? p->act_lo : v > p->act_hi ? p->act_hi : v;
  }
  return 0;
}

static const qe_kernel kernels[] = {{
    .struct_size = sizeof(qe_kernel),
    .key = {.op = "Relu", .in = {QE_DT_F32}, .out = QE_DT_F32, .layout = QE_LAYOUT_SAME},
    .name = "relu_f32__old",
    .supports = supports,
    .plan = plan,
    .prepack = prepack,
    .run = run,
}};

static int create(const qe_host *host, void **self) {
  services = host;
  *self = host->alloc(host->ctx, 64, 64);
  host->log(host->ctx, 3, "starts");
  return *self == NULL || host->cpu->cores == 0;
}

static void destroy(void *self) { services->free(services->ctx, self); }

static const qe_plugin plugin = {
    .magic = QE_PLUGIN_MAGIC,
    .struct_size = sizeof(qe_plugin),
    .abi_major = QE_ABI_MAJOR,
    .abi_minor = QE_ABI_MINOR,
    .sanitizer = QE_PLUGIN_SANITIZER,
    .engine = "old",
    .vendor = "nobody",
    .version = "0.1",
    .build_id = "first",
    .license = "Apache-2.0",
    .priority = -20,
    .kernel_count = 1,
    .kernel_stride = sizeof(qe_kernel),
    .kernels = kernels,
    .create = create,
    .destroy = destroy,
};

const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor);

__attribute__((visibility("default"))) const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor) {
  (void)host_minor;
  return host_major == QE_ABI_MAJOR ? &plugin : 0;
}
