/*
 * oneDNN: see contenders.h. Memory formats are left to the library, so that nothing but the primitive is timed: its
 * weights lie as it wants them, and so do its activations. A product is tried as matmul and as inner product, and the
 * faster of the two is taken.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contenders.h"

#ifdef BENCH_ONEDNN
#include <oneapi/dnnl/dnnl.h>

enum { MOST_ARGS = 4, PROBES = 20 };

typedef struct primitive {
  dnnl_primitive_t p;
  dnnl_memory_t memory[MOST_ARGS];
  dnnl_exec_arg_t args[MOST_ARGS];
  int n;
  char kernel[128];
} primitive;

typedef struct onednn {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  primitive best;
} onednn;

bool onednn_cap(const char *level) {
  static const struct {
    const char *level;
    dnnl_cpu_isa_t isa;
  } isas[] = {{"avx2", dnnl_cpu_isa_avx2},
              {"avxvnni", dnnl_cpu_isa_avx2_vnni},
              {"avx512bw", dnnl_cpu_isa_avx512_core},
              {"avx512vnni", dnnl_cpu_isa_avx512_core_vnni},
              {"amx_int8", dnnl_cpu_isa_avx512_core_amx}};
  for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
    if (strcmp(isas[i].level, level) == 0) return dnnl_set_max_cpu_isa(isas[i].isa) == dnnl_success;
  return false;
}

static int execute(const onednn *o, const primitive *p) {
  return dnnl_primitive_execute(p->p, o->stream, p->n, p->args) == dnnl_success ? 0 : -1;
}

static int call(void *state) {
  const onednn *o = state;
  return execute(o, &o->best);
}

static void free_primitive(primitive *p) {
  for (int i = 0; i < p->n; i++) dnnl_memory_destroy(p->memory[i]);
  if (p->p) dnnl_primitive_destroy(p->p);
  *p = (primitive){0};
}

static void close_onednn(void *state) {
  onednn *o = state;
  free_primitive(&o->best);
  if (o->stream) dnnl_stream_destroy(o->stream);
  if (o->engine) dnnl_engine_destroy(o->engine);
  free(o);
}

/* Random content; small, so that floats are no denormals and no NaNs. */
static bool add_memory(onednn *o, primitive *p, int arg, const dnnl_memory_desc_t *md) {
  void *data = NULL;
  if (!md || md->ndims == 0) return true;
  dnnl_memory_t *m = &p->memory[p->n];
  if (dnnl_memory_create(m, md, o->engine, DNNL_MEMORY_ALLOCATE) != dnnl_success) return false;
  p->args[p->n] = (dnnl_exec_arg_t){arg, *m};
  p->n++;
  if (dnnl_memory_get_data_handle(*m, &data) != dnnl_success) return false;
  const size_t bytes = dnnl_memory_desc_get_size(md);
  uint32_t state = 1;
  for (size_t i = 0; i < bytes; i++) ((uint8_t *)data)[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
  if (md->data_type != dnnl_f32) return true;
  for (size_t i = 0; i < bytes / sizeof(float); i++) ((float *)data)[i] = (float)(int8_t)((uint8_t *)data)[4 * i] / 64.0f;
  return true;
}

static bool make(onednn *o, const_dnnl_op_desc_t desc, const_dnnl_primitive_attr_t attributes, primitive *out) {
  dnnl_primitive_desc_t pd = NULL;
  const char *kernel = NULL;
  if (dnnl_primitive_desc_create(&pd, desc, attributes, o->engine, NULL) != dnnl_success) return false;
  bool good = dnnl_primitive_create(&out->p, pd) == dnnl_success;
  good = good && add_memory(o, out, DNNL_ARG_SRC, dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0));
  good = good && add_memory(o, out, DNNL_ARG_WEIGHTS, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
  good = good && add_memory(o, out, DNNL_ARG_BIAS, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1));
  good = good && add_memory(o, out, DNNL_ARG_DST, dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0));
  if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &kernel) == dnnl_success && kernel)
    snprintf(out->kernel, sizeof out->kernel, "%s", kernel);
  dnnl_primitive_desc_destroy(pd);
  if (!good) free_primitive(out);
  return good;
}

static double probe(const onednn *o, const primitive *p) {
  double best = INFINITY;
  for (int i = 0; i < PROBES; i++) {
    const double start = now_ns();
    if (execute(o, p) != 0) return INFINITY;
    best = fmin(best, now_ns() - start);
  }
  return best;
}

typedef struct types {
  dnnl_data_type_t x, w, b, y;
} types;

static dnnl_memory_desc_t any(int rank, const dnnl_dim_t *dims, dnnl_data_type_t type) {
  dnnl_memory_desc_t md;
  memset(&md, 0, sizeof md);
  dnnl_memory_desc_init_by_tag(&md, rank, dims, type, dnnl_format_tag_any);
  return md;
}

static bool make_conv(onednn *o, const shape *s, const types *t, const_dnnl_primitive_attr_t attributes) {
  const dnnl_dim_t k = s->kernel, out = shape_out_size(s), pad = k / 2;
  const dnnl_dims_t x = {1, s->c, s->size, s->size}, y = {1, s->o, out, out}, b = {s->o};
  const dnnl_dims_t plain = {s->o, s->c, k, k}, grouped = {s->groups, s->o / s->groups, s->c / s->groups, k, k};
  const dnnl_dims_t strides = {s->stride, s->stride}, dilates = {0, 0}, pads = {pad, pad};
  const dnnl_dim_t after = (out - 1) * s->stride + k - s->size - pad;
  const dnnl_dims_t pads_after = {after, after};
  const dnnl_memory_desc_t xd = any(4, x, t->x), bd = any(1, b, t->b), yd = any(4, y, t->y);
  const dnnl_memory_desc_t wd = s->groups > 1 ? any(5, grouped, t->w) : any(4, plain, t->w);
  dnnl_convolution_desc_t desc;
  if (dnnl_dilated_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &xd, &wd, &bd,
                                                 &yd, strides, dilates, pads, pads_after) != dnnl_success)
    return false;
  return make(o, &desc, attributes, &o->best);
}

static bool make_gemm(onednn *o, const shape *s, const types *t, const_dnnl_primitive_attr_t attributes) {
  const dnnl_dims_t x = {s->m, s->k}, y = {s->m, s->n}, w = {s->k, s->n}, turned = {s->n, s->k}, b1 = {s->n};
  const dnnl_dims_t b2 = {1, s->n};
  const dnnl_memory_desc_t xd = any(2, x, t->x), yd = any(2, y, t->y), wd = any(2, w, t->w), td = any(2, turned, t->w);
  dnnl_memory_desc_t bd1 = any(1, b1, t->b), bd2;
  memset(&bd2, 0, sizeof bd2);
  dnnl_memory_desc_init_by_tag(&bd2, 2, b2, t->b, dnnl_ab);
  dnnl_matmul_desc_t matmul;
  dnnl_inner_product_desc_t inner;
  primitive other = {0};
  const bool first = dnnl_matmul_desc_init(&matmul, &xd, &wd, &bd2, &yd) == dnnl_success &&
                     make(o, &matmul, attributes, &o->best);
  const bool second = dnnl_inner_product_forward_desc_init(&inner, dnnl_forward_inference, &xd, &td, &bd1, &yd) ==
                          dnnl_success &&
                      make(o, &inner, attributes, &other);
  if (second && (!first || probe(o, &other) < probe(o, &o->best))) {
    free_primitive(&o->best);
    o->best = other;
  } else if (second) {
    free_primitive(&other);
  }
  return first || second;
}

void onednn_open(const shape *s, bool int8, contender *out) {
  static const types quantized = {dnnl_u8, dnnl_s8, dnnl_s32, dnnl_u8}, real = {dnnl_f32, dnnl_f32, dnnl_f32, dnnl_f32};
  const int64_t channels = s->conv ? s->o : s->n;
  const types *t = int8 ? &quantized : &real;
  dnnl_primitive_attr_t attributes = NULL;
  onednn *o = calloc(1, sizeof *o);
  float *scales = malloc((size_t)channels * sizeof *scales);
  *out = (contender){.name = "oneDNN", .call = call, .close = close_onednn};
  bool good = o && scales && dnnl_primitive_attr_create(&attributes) == dnnl_success &&
              dnnl_engine_create(&o->engine, dnnl_cpu, 0) == dnnl_success &&
              dnnl_stream_create(&o->stream, o->engine, dnnl_stream_default_flags) == dnnl_success;
  for (int64_t i = 0; scales && i < channels; i++) scales[i] = 1e-4f * (float)(1 + i % 7);
  if (good && int8) good = dnnl_primitive_attr_set_output_scales(attributes, channels, 1 << 1, scales) == dnnl_success;
  good = good && (s->conv ? make_conv : make_gemm)(o, s, t, attributes);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  free(scales);
  if (good) {
    snprintf(out->detail, sizeof out->detail, "%s", o->best.kernel);
    out->state = o;
    return;
  }
  snprintf(out->detail, sizeof out->detail, "oneDNN has no primitive for this");
  if (o) close_onednn(o);
}

#else

bool onednn_cap(const char *level) {
  (void)level;
  return false;
}

void onednn_open(const shape *s, bool int8, contender *out) {
  (void)s;
  (void)int8;
  *out = (contender){.name = "oneDNN"};
  snprintf(out->detail, sizeof out->detail, "built without oneDNN");
}

#endif
