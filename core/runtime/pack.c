/* Blobs of packed weights: made by a kernel's prepack, labelled and checked by the host. */
#include "runtime/pack.h"

#include <string.h>

#include "base/memory.h"
#include "engine/host.h"

static const char MAGIC[8] = "qepack1";

/* Tells apart, is not meant to withstand forgery: eight bytes per multiplication, so that large weights cost little. */
static uint64_t mix(uint64_t hash, const void *data, size_t size) {
  const unsigned char *at = data;
  for (; size >= 8; at += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
  }
  uint64_t rest = size;
  for (size_t i = 0; i < size; i++) rest = rest << 8 | at[i];
  hash = (hash ^ rest) * UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 32;
}

/* Sizes of what is not constant are left out: one blob serves every batch. */
static uint64_t mix_operand(uint64_t hash, const qe_operand *o) {
  const uint8_t kind[4] = {o != NULL, o != NULL ? o->dtype : 0, o != NULL ? o->rank : 0, o != NULL ? o->layout : 0};
  hash = mix(hash, kind, sizeof kind);
  if (o == NULL) return hash;
  hash = mix(hash, &o->q_axis, sizeof o->q_axis);
  hash = mix(hash, o->scales, o->q_count * sizeof o->scales[0]);
  hash = mix(hash, o->zero_points, o->q_count * sizeof o->zero_points[0]);
  if (o->data == NULL) return hash;
  hash = mix(hash, o->dims, sizeof o->dims);
  hash = mix(hash, o->strides, sizeof o->strides);
  const size_t bits = qe_dtype_bits((qe_dtype_t)o->dtype);
  return mix(hash, o->data, ((size_t)o->count * bits + 7) / 8);
}

static uint64_t hash_problem(const qe_problem *p) {
  uint64_t hash = mix(0, p->op, strlen(p->op));
  hash = mix(hash, &p->clamp_lo, sizeof p->clamp_lo);
  hash = mix(hash, &p->clamp_hi, sizeof p->clamp_hi);
  hash = mix(hash, &p->act_lo, sizeof p->act_lo);
  hash = mix(hash, &p->act_hi, sizeof p->act_hi);
  hash = mix(hash, p->params, sizeof *p->params);
  for (uint32_t i = 0; i < p->n_in; i++) hash = mix_operand(hash, p->in[i]);
  for (uint32_t i = 0; i < p->n_out; i++) hash = mix_operand(hash, p->out[i]);
  return hash;
}

static uint64_t check_of(const qe__pack_header *header) {
  qe__pack_header copy = *header;
  copy.check = 0;
  return mix(1, &copy, sizeof copy);
}

void qe__pack_expect(const qe__kernel *kernel, const qe_problem *problem, uint64_t size, qe__pack_header *out) {
  memset(out, 0, sizeof *out);
  memcpy(out->magic, MAGIC, sizeof MAGIC);
  out->size = size;
  out->problem = hash_problem(problem);
  strncpy(out->engine, kernel->engine->name, sizeof out->engine - 1);
  strncpy(out->kernel, kernel->row.name, sizeof out->kernel - 1);
  strncpy(out->version, kernel->engine->version, sizeof out->version - 1);
  out->check = check_of(out);
}

static qe_status_t differs(const qe__pack_header *h, const qe__pack_header *e) {
  if (strcmp(h->engine, e->engine) != 0) {
    return qe__fail(QE_ERROR_ENGINE, "packed weights are those of engine '%s', not of '%s'; pack them again", h->engine,
                    e->engine);
  }
  if (strcmp(h->kernel, e->kernel) != 0) {
    return qe__fail(QE_ERROR_ENGINE, "packed weights are those of kernel %s, not of %s of engine '%s'; pack them again",
                    h->kernel, e->kernel, e->engine);
  }
  if (strcmp(h->version, e->version) != 0) {
    return qe__fail(QE_ERROR_ENGINE,
                    "packed weights were written by version %s of engine '%s', which now is %s; pack them again",
                    h->version, e->engine, e->version);
  }
  if (h->problem != e->problem) {
    return qe__fail(
        QE_ERROR_ENGINE,
        "packed weights of kernel %s belong to another problem (%016llx, expected %016llx); pack them again", e->kernel,
        (unsigned long long)h->problem, (unsigned long long)e->problem);
  }
  return qe__fail(QE_ERROR_ENGINE, "packed weights of kernel %s are %llu bytes, expected %llu; pack them again",
                  e->kernel, (unsigned long long)h->size, (unsigned long long)e->size);
}

qe_status_t qe__pack_check(const void *blob, size_t blob_size, const qe__pack_header *expected) {
  if (blob_size < sizeof *expected) {
    return qe__fail(QE_ERROR_FORMAT, "packed weights are cut: %zu bytes, the header alone has %zu; pack them again",
                    blob_size, sizeof *expected);
  }
  if (memcmp(blob, expected, sizeof *expected) != 0) {
    qe__pack_header h;
    memcpy(&h, blob, sizeof h);
    if (memcmp(h.magic, MAGIC, sizeof MAGIC) != 0)
      return qe__fail(QE_ERROR_FORMAT, "packed weights do not start with a header; pack them again");
    if (h.check != check_of(&h))
      return qe__fail(QE_ERROR_FORMAT,
                      "packed weights have a damaged header (its check value is wrong); pack them again");
    return differs(&h, expected);
  }
  if (blob_size - sizeof *expected < expected->size) {
    return qe__fail(QE_ERROR_FORMAT,
                    "packed weights are cut: %zu bytes after the header, expected %llu; pack them again",
                    blob_size - sizeof *expected, (unsigned long long)expected->size);
  }
  return QE_OK;
}

const void *qe__pack_data(const qe__pack *pack) {
  return (const char *)pack->blob + sizeof(qe__pack_header);
}

void qe__pack_free(qe__pack *pack) {
  if (pack == NULL) return;
  qe__free_lasting(pack->base, pack->base_size);
  qe__free(pack);
}

static qe_status_t make(const qe__kernel *kernel, const qe_problem *problem, const qe__pack_header *expected,
                        qe__pack *pack) {
  const size_t alignment = kernel->row.alignment > 64 ? kernel->row.alignment : 64;
  const size_t front = (sizeof *expected + alignment - 1) / alignment * alignment;
  pack->base_size = front + (size_t)expected->size;
  pack->base = qe__alloc_lasting(pack->base_size, alignment);
  if (pack->base == NULL)
    return qe__fail_in(QE_ERROR_OUT_OF_MEMORY, "packed weights of kernel %s of engine '%s'", kernel->row.name,
                       kernel->engine->name);
  pack->blob = (char *)pack->base + front - sizeof *expected;
  pack->blob_size = sizeof *expected + (size_t)expected->size;
  qe__host_clear_error();
  const int result = kernel->row.prepack(kernel->engine->self, problem, (char *)pack->blob + sizeof *expected);
  if (result != 0) {
    const char *said = qe__host_error();
    return qe__fail(QE_ERROR_ENGINE, "kernel %s of engine '%s' failed to pack its weights (code %d): %s",
                    kernel->row.name, kernel->engine->name, result, said[0] != '\0' ? said : "it gave no reason");
  }
  memcpy(pack->blob, expected, sizeof *expected);
  return QE_OK;
}

qe_status_t qe__pack_create(const qe__kernel *kernel, const qe_problem *problem, const qe__pack_header *expected,
                            qe__pack **out) {
  *out = NULL;
  qe__pack *pack = qe__calloc(1, sizeof *pack);
  if (pack == NULL) return QE_ERROR_OUT_OF_MEMORY;
  pack->kernel = kernel;
  const qe_status_t status = make(kernel, problem, expected, pack);
  if (status != QE_OK)
    qe__pack_free(pack);
  else
    *out = pack;
  return status;
}

qe_status_t qe__pack_get(qe__pack_cache *cache, uint32_t node, const qe__kernel *kernel, const qe_problem *problem,
                         const qe__pack_header *expected, const qe__pack **out) {
  *out = NULL;
  for (size_t i = 0; i < cache->count; i++) {
    const qe__pack *have = cache->packs[i];
    if (have->node != node || have->kernel != kernel || memcmp(have->blob, expected, sizeof *expected) != 0) continue;
    *out = have;
    return QE_OK;
  }
  QE_TRY(qe__grow((void **)&cache->packs, &cache->capacity, cache->count, sizeof *cache->packs));
  qe__pack *pack;
  QE_TRY(qe__pack_create(kernel, problem, expected, &pack));
  pack->node = node;
  cache->packs[cache->count++] = pack;
  cache->bytes += expected->size;
  *out = pack;
  return QE_OK;
}

void qe__pack_cache_free(qe__pack_cache *cache) {
  for (size_t i = 0; i < cache->count; i++) qe__pack_free(cache->packs[i]);
  qe__free(cache->packs);
  memset(cache, 0, sizeof *cache);
}
