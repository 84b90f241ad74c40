/*
 * The reference engine: scalar C, readable as the specification, correct before fast. Its only export is
 * qe_plugin_query; it links to SLEEF and libm, never to the core.
 */
#include "ref.h"

/* Columns `none` of kernels.def. */
#define ref_none_supports NULL
#define ref_none_prepack  NULL

/* SLEEF's purecfma functions are built with FMA instructions on x86; AArch64 always has them. */
#if defined(__x86_64__)
#define ISA QE_ISA_X86_FMA
#else
#define ISA UINT64_C(0)
#endif

#ifndef QE_WITH_OP /* a build with QE_OPS leaves out rows */
#define QE_WITH_OP(op, ...) __VA_ARGS__
#endif

static const qe_kernel kernels[] = {
#define REF_KERNEL(kernel_name, op_name, i0, i1, i2, i3, o, q, key_layout, supports_fn, plan_fn, prepack_fn, run_fn) \
  QE_WITH_OP(op_name, {                                                                                              \
      .struct_size = sizeof(qe_kernel),                                                                              \
      .key = {.op = #op_name,                                                                                        \
              .in = {QE_DT_##i0, QE_DT_##i1, QE_DT_##i2, QE_DT_##i3},                                                \
              .out = QE_DT_##o,                                                                                      \
              .quantized = (q),                                                                                      \
              .layout = QE_LAYOUT_##key_layout},                                                                     \
      .name = #kernel_name "__c",                                                                                    \
      .exactness = QE_EXACT_E0,                                                                                      \
      .supports = ref_##supports_fn##_supports,                                                                      \
      .plan = ref_##plan_fn##_plan,                                                                                  \
      .prepack = ref_##prepack_fn##_prepack,                                                                         \
      .run = ref_##run_fn##_run,                                                                                     \
  },)
#include "kernels.def"
#undef REF_KERNEL
};

static int create(const qe_host *host, void **self) {
  *self = NULL;
  ref_self *s = host->alloc(host->ctx, sizeof *s, 64);
  if (!s) {
    host->error(host->ctx, "reference: out of memory in create");
    return 1;
  }
  s->host = host;
  s->loops = &ref_loops_baseline;
#if defined(__x86_64__)
  const uint64_t wanted = QE_ISA_X86_AVX2 | QE_ISA_X86_FMA;
  if (host->cpu && (host->cpu->isa & wanted) == wanted)
    s->loops = &ref_loops_avx2;
#endif
  *self = s;
  return 0;
}

static void destroy(void *self) {
  if (!self)
    return;
  const qe_host *host = ((ref_self *)self)->host;
  host->free(host->ctx, self);
}

static const qe_plugin plugin = {
    .magic = QE_PLUGIN_MAGIC,
    .struct_size = sizeof(qe_plugin),
    .abi_major = QE_ABI_MAJOR,
    .abi_minor = QE_ABI_MINOR,
    .sanitizer = QE_PLUGIN_SANITIZER,
    .engine = "reference",
    .vendor = "qengine",
    .version = "0.1.0",
    .build_id = "portable C",
    .license = "Apache-2.0",
    .isa_required = ISA,
    .priority = 0,
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
