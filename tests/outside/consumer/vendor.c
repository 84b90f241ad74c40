/* The smallest engine: one kernel, Identity of anything by copying bytes is beyond it, so it declines everything. */
#include <qengine_plugin.h>
#include <stdio.h>

static int supports(void *self, const qe_problem *p, char *reason, size_t size) {
  (void)self;
  (void)p;
  snprintf(reason, size, "an example");
  return 0;
}
static int plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  (void)p;
  (void)plan;
  return 1;
}
static int run(void *self, const qe_call *call, int64_t begin, int64_t end) {
  (void)self;
  (void)call;
  (void)begin;
  (void)end;
  return 1;
}
static int create(const qe_host *host, void **self) {
  host->log(host->ctx, 3, "hello from outside");
  *self = NULL;
  return 0;
}
static void destroy(void *self) { (void)self; }

static const qe_kernel kernels[] = {{
    .struct_size = sizeof(qe_kernel),
    .key = {.op = "Relu", .in = {QE_DT_F32}, .out = QE_DT_F32, .layout = QE_LAYOUT_STRIDED},
    .name = "relu_f32__vendor",
    .supports = supports,
    .plan = plan,
    .run = run,
}};

static const qe_plugin plugin = {
    .magic = QE_PLUGIN_MAGIC,
    .struct_size = sizeof(qe_plugin),
    .abi_major = QE_ABI_MAJOR,
    .abi_minor = QE_ABI_MINOR,
    .sanitizer = QE_PLUGIN_SANITIZER,
    .engine = "vendor",
    .vendor = "somebody",
    .version = "1",
    .build_id = "",
    .license = "Apache-2.0",
    .priority = -1,
    .kernel_count = 1,
    .kernel_stride = sizeof(qe_kernel),
    .kernels = kernels,
    .create = create,
    .destroy = destroy,
};

__attribute__((visibility("default"))) const qe_plugin *qe_plugin_query(uint16_t major, uint16_t minor) {
  (void)minor;
  return major == QE_ABI_MAJOR ? &plugin : NULL;
}
