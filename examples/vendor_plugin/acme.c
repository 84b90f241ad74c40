/*
 * acme: the engine that docs/vendor-guide.md builds. int8 Gemm and MatMul, for any machine and for AVX2, and the
 * observer acme_pow2. The only symbol exported is qe_plugin_query.
 */
#include "gemm.h"

static int run__c(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  return acme_gemm_run(acme_multiply_6x16__c, call, tile_begin, tile_end);
}

/* Kernels of one key are tried by falling priority; those whose instructions the machine lacks are left out. */
#define GEMM(op_, name_, priority_, isa_, run_)                                                                     \
  {                                                                                                                 \
    .struct_size = sizeof(qe_kernel), .name = name_, .priority = priority_, .isa_required = isa_,                   \
    .exactness = QE_EXACT_E0, .mr = MR, .nr = NR, .kr = KR,                                                         \
    .key = {.op = op_, .in = {QE_DT_U8, QE_DT_I8, QE_DT_ANY}, .out = QE_DT_U8, .quantized = 1},                     \
    .supports = acme_gemm_supports, .plan = acme_gemm_plan, .prepack = acme_gemm_prepack, .run = run_               \
  }

#if defined(__x86_64__)
static int run__avx2(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  (void)self;
  return acme_gemm_run(acme_multiply_6x16__avx2, call, tile_begin, tile_end);
}
#endif

static const qe_kernel kernels[] = {
    GEMM("Gemm", "gemm_u8s8_6x16__c", 0, 0, run__c),
    GEMM("MatMul", "matmul_u8s8_6x16__c", 0, 0, run__c),
#if defined(__x86_64__)
    GEMM("Gemm", "gemm_u8s8_6x16__avx2", 1, QE_ISA_X86_AVX2, run__avx2),
    GEMM("MatMul", "matmul_u8s8_6x16__avx2", 1, QE_ISA_X86_AVX2, run__avx2),
#endif
};

/* What `qengine quantize --qconfig acme` uses. */
static const char default_qconfig[] =
    "{ \"schema_version\": 1,\n"
    "  \"global\": {\n"
    "    \"activation\": { \"observer\": \"acme_pow2\", \"dtype\": \"uint8\" },\n"
    "    \"weight\": { \"observer\": \"per_channel_min_max\", \"dtype\": \"int8\", \"ch_axis\": -1,\n"
    "                \"qscheme\": \"per_channel_symmetric\", \"quant_min\": -127, \"quant_max\": 127 } } }\n";

static int create(const qe_host *host, void **self) {
  acme *a = host->alloc(host->ctx, sizeof *a, 16);
  if (!a) {
    host->error(host->ctx, "out of memory");
    return 1;
  }
  a->host = host;
  *self = a;
  return 0;
}

static void destroy(void *self) {
  acme *a = self;
  a->host->free(a->host->ctx, a);
}

static const qe_plugin plugin = {
    .magic = QE_PLUGIN_MAGIC,
    .struct_size = sizeof(qe_plugin),
    .abi_major = QE_ABI_MAJOR,
    .abi_minor = QE_ABI_MINOR,
    .sanitizer = QE_PLUGIN_SANITIZER,
    .engine = "acme",
    .vendor = "Acme Corporation",
    .version = "0.1.0",
    .build_id = "",
    .license = "Apache-2.0",
    .priority = -1, /* below the reference (0): used when it is named */
    .kernel_count = sizeof kernels / sizeof kernels[0],
    .kernel_stride = sizeof(qe_kernel),
    .kernels = kernels,
    .observer_count = 1,
    .observer_stride = sizeof(qe_observer),
    .observers = &acme_observer_pow2,
    .default_qconfig = default_qconfig,
    .create = create,
    .destroy = destroy,
};

__attribute__((visibility("default"))) const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor);

const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor) {
  (void)host_minor;
  return host_major == QE_ABI_MAJOR ? &plugin : NULL;
}
