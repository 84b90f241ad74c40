/* An engine for processors: its table and its life; isas.h says which. Its only export is qe_plugin_query. */
#include "fb.h"

#include <stdarg.h>
#include <stdio.h>

#define FB_ISA_OF(isa) FB_ISA_##isa
#define FB_ISA(isa)    FB_ISA_OF(isa)

/* Columns `none` of kernels.def. */
#define fb_none_supports NULL
#define fb_none_prepack  NULL

#ifndef QE_WITH_OP /* a build with QE_OPS leaves out rows */
#define QE_WITH_OP(op, ...) __VA_ARGS__
#endif

static const qe_kernel kernels[] = {
#define FB_KERNEL_AT(offset, kernel_name, isa, op_name, i0, i1, i2, i3, o, q, key_layout, supports_fn, plan_fn, \
                     prepack_fn, run_fn)                                                                        \
  QE_WITH_OP(op_name, {                                                                                         \
      .struct_size = sizeof(qe_kernel),                                                                         \
      .priority = FB_RANK_##isa + (offset),                                                                     \
      .key = {.op = #op_name,                                                                                   \
              .in = {QE_DT_##i0, QE_DT_##i1, QE_DT_##i2, QE_DT_##i3},                                           \
              .out = QE_DT_##o,                                                                                 \
              .quantized = (q),                                                                                 \
              .layout = QE_LAYOUT_##key_layout},                                                                \
      .name = #kernel_name "__" #isa,                                                                           \
      .isa_required = FB_ISA_##isa,                                                                             \
      .exactness = QE_EXACT_E0,                                                                                 \
      .supports = fb_##supports_fn##_supports,                                                                  \
      .plan = fb_##plan_fn##_plan,                                                                              \
      .prepack = fb_##prepack_fn##_prepack,                                                                     \
      .run = fb_##run_fn##_run,                                                                                 \
  },)
#define FB_KERNEL(...) FB_KERNEL_AT(0, __VA_ARGS__)
#include "kernels.def"
#undef FB_KERNEL
#undef FB_KERNEL_AT
};

int fb_refuse(char *reason, size_t reason_size, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (reason_size > 0) (void)vsnprintf(reason, reason_size, format, args);
  va_end(args);
  return 0;
}

static int create(const qe_host *host, void **self) {
  *self = NULL;
  fb_self *s = host->alloc(host->ctx, sizeof *s, 64);
  if (!s) {
    host->error(host->ctx, FB_ENGINE ": out of memory in create");
    return 1;
  }
  s->host = host;
  *self = s;
  return 0;
}

static void destroy(void *self) {
  if (!self) return;
  const qe_host *host = ((fb_self *)self)->host;
  host->free(host->ctx, self);
}

static const qe_plugin plugin = {
    .magic = QE_PLUGIN_MAGIC,
    .struct_size = sizeof(qe_plugin),
    .abi_major = QE_ABI_MAJOR,
    .abi_minor = QE_ABI_MINOR,
    .sanitizer = QE_PLUGIN_SANITIZER,
    .engine = FB_ENGINE,
    .vendor = "qengine",
    .version = "0.1.0",
    .build_id = FB_BUILD,
    .license = "Apache-2.0",
    .isa_required = FB_ISA(FB_BASE),
    .priority = 100,
    .kernel_count = (uint32_t)(sizeof kernels / sizeof kernels[0]),
    .kernel_stride = sizeof(qe_kernel),
    .observer_stride = sizeof(qe_observer),
    .kernels = kernels,
    .create = create,
    .destroy = destroy,
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor);

const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor) {
  (void)host_minor;
  return host_major == QE_ABI_MAJOR ? &plugin : NULL;
}
