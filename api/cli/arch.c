/* See arch.h. */
#include "arch.h"

#include <string.h>

const arch arch_table[] = {
#define ARCH(name, summary, ids, length, hidden) { #name, arch_##name, ids, length, hidden },
#include "arch.def"
#undef ARCH
  { 0 },
};

const arch *arch_find(const char *name) {
  for (const arch *a = arch_table; a->name; a++)
    if (strcmp(a->name, name) == 0) return a;
  return NULL;
}

/* splitmix64 */
static uint64_t next(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static uint32_t sixteenths(uint64_t z) {
  return (uint32_t)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48));
}

void arch_fill_normal(uint64_t *state, int64_t count, float *to, float mean, float deviation) {
  const float middle = 4.0f * 65535.0f, unit = deviation / 53509.9f; /* 65536 * sqrt(8 / 12) */
  for (int64_t i = 0; i < count; i++) {
    const uint32_t sum = sixteenths(next(state)) + sixteenths(next(state));
    to[i] = mean + ((float)sum - middle) * unit;
  }
}

void arch_fill_uniform(uint64_t *state, int64_t count, float *to, float lo, float hi) {
  for (int64_t i = 0; i < count; i++) to[i] = lo + (hi - lo) * ((float)(next(state) >> 40) * 0x1p-24f);
}

void arch_fill_input(uint64_t *state, qe_tensor_t *tensor, int64_t ids) {
  const int64_t count = qe_tensor_count(tensor);
  void *data = qe_tensor_data(tensor);
  switch (qe_tensor_dtype(tensor)) {
    case QE_FLOAT32: arch_fill_normal(state, count, data, 0.0f, 1.0f); return;
    case QE_UINT8:
    case QE_INT8:
      for (int64_t i = 0; i < count; i++) ((uint8_t *)data)[i] = (uint8_t)(next(state) >> 56);
      return;
    case QE_INT64:
      for (int64_t i = 0; ids && i < count; i++) ((int64_t *)data)[i] = (int64_t)(next(state) % (uint64_t)ids);
      return;
    default: return; /* a new tensor is zeroed */
  }
}

static qe_tensor_t *new_tensor(uint32_t rank, const int64_t *dims) {
  qe_tensor_t *t = NULL;
  if (qe_tensor_create(QE_FLOAT32, rank, dims, &t) != QE_OK) cli_out_of_memory();
  return t;
}

qe_tensor_t *arch_normal(arch_net *net, uint32_t rank, const int64_t *dims, float deviation) {
  qe_tensor_t *t = new_tensor(rank, dims);
  arch_fill_normal(&net->state, qe_tensor_count(t), qe_tensor_data(t), 0.0f, deviation);
  return t;
}

qe_tensor_t *arch_uniform(arch_net *net, int64_t count, float lo, float hi) {
  qe_tensor_t *t = new_tensor(1, &count);
  arch_fill_uniform(&net->state, count, qe_tensor_data(t), lo, hi);
  return t;
}

int arch_build(const arch *a, const arch_options *o, qe_model_t **out) {
  arch_net net = { .o = *o, .state = o->seed };
  if (!net.o.length) net.o.length = a->length;
  if (!net.o.hidden) net.o.hidden = a->hidden;
  *out = NULL;
  qe_status_t status = qe_model_create(a->name, &net.m);
  if (status == QE_OK) {
    a->build(&net);
    status = qe_model_finish(net.m);
  }
  if (status != QE_OK) {
    qe_model_destroy(&net.m);
    return cli_fail(status, "--arch %s", a->name);
  }
  *out = net.m;
  return CLI_OK;
}
