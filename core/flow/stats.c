/*
 * Statistics files: the state of every observer of a prepared model, so that calibration can be sharded, merged, kept
 * and resumed. Little-endian throughout:
 *
 *   "QESTATS1"  u64 batches  u8[32] model hash  u32 length + mapping JSON  u32 observers
 *   per observer: u32 length + tensor name, u32 length + arguments, u32 length + state
 *   u8[32] SHA-256 of everything before it
 *
 * The arguments make a file readable without its model; a file fits only a model prepared with the same mapping.
 */
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "flow/stats_file.h"
#include "graph/model.h"

static const char MAGIC[8] = {'Q', 'E', 'S', 'T', 'A', 'T', 'S', '1'};
enum { HASH = QE__STATS_HASH };
#define MAX_STATS_BYTES (UINT64_C(1) << 32)

/* ---- writing ---- */

typedef struct sink {
  unsigned char *data;
  size_t size, capacity;
} sink;

static qe_status_t put(sink *s, const void *data, size_t size) {
  if (size > s->capacity - s->size) {
    size_t want;
    if (!qe__add_size(s->capacity * 2, size, &want)) return qe__fail(QE_ERROR_OUT_OF_MEMORY, "statistics too large");
    unsigned char *grown = qe__realloc(s->data, want, 1);
    if (!grown) return QE_ERROR_OUT_OF_MEMORY;
    s->data = grown;
    s->capacity = want;
  }
  if (size) memcpy(s->data + s->size, data, size);
  s->size += size;
  return QE_OK;
}

static qe_status_t put_uint(sink *s, uint64_t v, size_t bytes) {
  unsigned char b[8];
  for (size_t i = 0; i < bytes; i++) b[i] = (unsigned char)(v >> (8 * i));
  return put(s, b, bytes);
}

static qe_status_t put_block(sink *s, const void *data, size_t size) {
  if (size > UINT32_MAX) return qe__fail(QE_ERROR_UNSUPPORTED, "an observer's state exceeds 4 GB");
  QE_TRY(put_uint(s, size, 4));
  return put(s, data, size);
}

/* ---- an observer's arguments ---- */

/* field and type of what is kept as an integer; fields kept as the bits of a float */
#define CONFIG_INTS(X)                                                                                                       \
  X(dtype, qe_dtype_t) X(qscheme, qe_qscheme_t) X(reduce_range, int) X(has_range, int) X(quant_min, int32_t) X(quant_max, int32_t) \
  X(ch_axis, int32_t) X(bins, int32_t) X(upsample_rate, int32_t) X(method, qe_histogram_method_t) X(zero_point, int32_t)
#define CONFIG_FLOATS(X) X(eps) X(averaging_constant) X(percentile) X(scale)

static uint32_t float_bits(float v) {
  uint32_t u;
  memcpy(&u, &v, sizeof u);
  return u;
}

static float bits_float(uint32_t u) {
  float v;
  memcpy(&v, &u, sizeof v);
  return v;
}

static qe_status_t put_config(sink *s, const qe_observer_config_t *c) {
  sink b = {0};
  qe_status_t status = put_block(&b, c->observer, strlen(c->observer));
#define X(field, type) if (status == QE_OK) status = put_uint(&b, (uint32_t)c->field, 4);
  CONFIG_INTS(X)
#undef X
#define X(field) if (status == QE_OK) status = put_uint(&b, float_bits(c->field), 4);
  CONFIG_FLOATS(X)
#undef X
  if (status == QE_OK) status = put_block(s, b.data, b.size);
  qe__free(b.data);
  return status;
}

/* ---- reading ---- */

typedef qe__stats_block block;
typedef qe__stats_entry entry;
typedef qe__stats_file stats_file;

typedef struct cursor {
  const unsigned char *p;
  size_t left;
} cursor;

static bool take(cursor *c, size_t size, const unsigned char **out) {
  if (size > c->left) return false;
  *out = c->p;
  c->p += size;
  c->left -= size;
  return true;
}

static bool take_uint(cursor *c, size_t bytes, uint64_t *out) {
  const unsigned char *b;
  if (!take(c, bytes, &b)) return false;
  *out = 0;
  for (size_t i = 0; i < bytes; i++) *out |= (uint64_t)b[i] << (8 * i);
  return true;
}

static bool take_block(cursor *c, block *out) {
  uint64_t size;
  if (!take_uint(c, 4, &size)) return false;
  out->size = (size_t)size;
  return take(c, out->size, &out->data);
}

static bool take_config(block from, qe_observer_config_t *c) {
  cursor in = {from.data, from.size};
  block name;
  uint64_t v;
  qe_observer_config_default(c);
  if (!take_block(&in, &name) || name.size >= sizeof c->observer) return false;
  memset(c->observer, 0, sizeof c->observer);
  if (name.size) memcpy(c->observer, name.data, name.size);
#define X(field, type) \
  if (!take_uint(&in, 4, &v)) return false; \
  c->field = (type)(int32_t)(uint32_t)v;
  CONFIG_INTS(X)
#undef X
#define X(field) \
  if (!take_uint(&in, 4, &v)) return false; \
  c->field = bits_float((uint32_t)v);
  CONFIG_FLOATS(X)
#undef X
  return in.left == 0;
}

void qe__stats_close(qe__stats_file *f) {
  qe__free_aligned(f->data);
  qe__free(f->entries);
  memset(f, 0, sizeof *f);
}

static qe_status_t stats_parse(stats_file *f, const char *path) {
  const unsigned char *magic;
  uint8_t digest[HASH];
  uint64_t count;
  if (f->size < sizeof MAGIC + HASH || memcmp(f->data, MAGIC, sizeof MAGIC) != 0) {
    return qe__fail(QE_ERROR_FORMAT, "'%s' is not a statistics file of this version (expected it to start with QESTATS1)", path);
  }
  cursor c = {f->data, f->size - HASH};
  qe__sha256(f->data, f->size - HASH, digest);
  if (memcmp(digest, (const unsigned char *)f->data + f->size - HASH, HASH) != 0) {
    return qe__fail(QE_ERROR_FORMAT, "'%s' is damaged: its checksum does not match; calibrate again", path);
  }
  if (!take(&c, sizeof MAGIC, &magic) || !take_uint(&c, 8, &f->batches) || !take(&c, HASH, &f->hash) || !take_block(&c, &f->mapping) ||
      !take_uint(&c, 4, &count) || count > c.left / 12) {
    return qe__fail(QE_ERROR_FORMAT, "'%s' is truncated", path);
  }
  f->entries = qe__calloc((size_t)count + 1, sizeof *f->entries);
  if (!f->entries) return QE_ERROR_OUT_OF_MEMORY;
  for (f->count = 0; f->count < count; f->count++) {
    entry *e = &f->entries[f->count];
    if (!take_block(&c, &e->name) || !take_block(&c, &e->config) || !take_block(&c, &e->state)) return qe__fail(QE_ERROR_FORMAT, "'%s' is truncated", path);
  }
  return c.left ? qe__fail(QE_ERROR_FORMAT, "'%s' has %zu bytes too many", path, c.left) : QE_OK;
}

qe_status_t qe__stats_open(const char *path, qe__stats_file *f) {
  memset(f, 0, sizeof *f);
  QE_TRY(qe__read_file(path, MAX_STATS_BYTES, &f->data, &f->size));
  const qe_status_t status = stats_parse(f, path);
  if (status != QE_OK) qe__stats_close(f);
  return status;
}

/* ---- a prepared model and its file ---- */

static qe_status_t put_header(sink *s, uint64_t batches, const uint8_t *hash, const void *mapping, size_t mapping_size, uint32_t count) {
  QE_TRY(put(s, MAGIC, sizeof MAGIC));
  QE_TRY(put_uint(s, batches, 8));
  QE_TRY(put(s, hash, HASH));
  QE_TRY(put_block(s, mapping, mapping_size));
  return put_uint(s, count, 4);
}

static qe_status_t put_observer(sink *s, const void *name, size_t name_size, const qe__observer *o) {
  void *state = NULL;
  size_t size = 0;
  QE_TRY(put_block(s, name, name_size));
  QE_TRY(put_config(s, qe__observer_config(o)));
  QE_TRY(qe__observer_save(o, &state, &size));
  const qe_status_t status = put_block(s, state, size);
  qe__free(state);
  return status;
}

static qe_status_t put_digest(sink *s) {
  uint8_t digest[HASH];
  qe__sha256(s->data, s->size, digest);
  return put(s, digest, HASH);
}

static qe_status_t write_all(const qe_prepared_t *p, sink *s) {
  char *json = NULL;
  QE_TRY(qe_qconfig_mapping_dump(p->mapping, &json));
  const qe_status_t status = put_header(s, p->batches, p->model->graph->model_hash, json, strlen(json), p->n_watched);
  qe_string_free(json);
  QE_TRY(status);
  for (uint32_t i = 0; i < p->n_watched; i++) {
    const char *name = p->model->graph->values[p->watched[i]].name;
    QE_TRY(put_observer(s, name, strlen(name), p->observer[p->watched[i]]));
  }
  return put_digest(s);
}

qe_status_t qe__stats_write(const qe_prepared_t *p, void **data, size_t *size) {
  sink s = {0};
  const qe_status_t status = write_all(p, &s);
  if (status != QE_OK) qe__free(s.data);
  *data = status == QE_OK ? s.data : NULL;
  *size = status == QE_OK ? s.size : 0;
  return status;
}

qe_status_t qe_prepared_save_stats(const qe_prepared_t *p, const char *path, int overwrite) {
  void *data;
  size_t size;
  QE_CHECK_ARG(p && path, "prepared or path is NULL");
  QE_TRY(qe__stats_write(p, &data, &size));
  const qe_status_t status = qe__write_file(path, data, size, overwrite);
  qe__free(data);
  return status;
}

static qe_status_t check_fits(const qe_prepared_t *p, const stats_file *f, const char *path) {
  char *json = NULL;
  if (memcmp(f->hash, p->model->graph->model_hash, HASH) != 0) {
    return qe__fail(QE_ERROR_STATE, "'%s' was made from another model (its hash differs); calibrate this model", path);
  }
  QE_TRY(qe_qconfig_mapping_dump(p->mapping, &json));
  const bool same = strlen(json) == f->mapping.size && memcmp(json, f->mapping.data, f->mapping.size) == 0;
  qe_string_free(json);
  if (!same) return qe__fail(QE_ERROR_STATE, "'%s' was made with another qconfig; use the same --qconfig or calibrate again", path);
  if (f->count != p->n_watched) return qe__fail(QE_ERROR_STATE, "'%s' has %u observers, this model has %u", path, f->count, p->n_watched);
  return QE_OK;
}

/* Brings the file's states into the prepared model: instead of its own (merge false) or on top of them. */
static qe_status_t take_states(qe_prepared_t *p, const stats_file *f, const char *path, bool merge) {
  qe__observer **fresh = qe__calloc(p->n_watched + 1, sizeof *fresh);
  if (!fresh) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = check_fits(p, f, path);
  if (status != QE_OK) goto done;
  for (uint32_t i = 0; i < p->n_watched; i++) { /* all states are read before any is used */
    const char *name = p->model->graph->values[p->watched[i]].name;
    if (strlen(name) != f->entries[i].name.size || memcmp(name, f->entries[i].name.data, strlen(name)) != 0) {
      status = qe__fail(QE_ERROR_STATE, "'%s': observer %u watches another tensor than '%s'", path, i, name);
      goto done;
    }
    QE_TRY_GOTO(qe__observer_create(qe__observer_config(p->observer[p->watched[i]]), name, &fresh[i]), done);
    QE_TRY_GOTO(qe__observer_load(fresh[i], f->entries[i].state.data, f->entries[i].state.size), done);
  }
  for (uint32_t i = 0; i < p->n_watched; i++) {
    qe__observer **slot = &p->observer[p->watched[i]];
    if (merge) {
      QE_TRY_GOTO(qe__observer_merge(*slot, fresh[i]), done);
    } else {
      qe__observer_destroy(slot);
      *slot = fresh[i];
      fresh[i] = NULL;
    }
  }
  p->batches = merge ? p->batches + f->batches : f->batches;
done:
  for (uint32_t i = 0; i < p->n_watched; i++) qe__observer_destroy(&fresh[i]);
  qe__free(fresh);
  return status;
}

static qe_status_t take_file(qe_prepared_t *p, const char *path, bool merge) {
  stats_file f;
  QE_TRY(qe__stats_open(path, &f));
  const qe_status_t status = take_states(p, &f, path, merge);
  qe__stats_close(&f);
  return status;
}

qe_status_t qe__stats_take(qe_prepared_t *p, const void *data, size_t size, const char *name, bool merge) {
  stats_file f = {.data = (void *)(uintptr_t)data, .size = size}; /* only read */
  qe_status_t status = stats_parse(&f, name);
  if (status == QE_OK) status = take_states(p, &f, name, merge);
  qe__free(f.entries);
  return status;
}

qe_status_t qe_prepared_load_stats(qe_prepared_t *p, const char *path) {
  QE_CHECK_ARG(p && path, "prepared or path is NULL");
  return take_file(p, path, false);
}

qe_status_t qe_prepared_merge_stats(qe_prepared_t *p, const char *path) {
  QE_CHECK_ARG(p && path, "prepared or path is NULL");
  return take_file(p, path, true);
}

/* ---- files without their model ---- */

qe_status_t qe__stats_observer(const qe__stats_entry *e, const char *path, qe__observer **out) {
  qe_observer_config_t config;
  *out = NULL;
  if (!take_config(e->config, &config)) return qe__fail(QE_ERROR_FORMAT, "'%s': the arguments of an observer are malformed", path);
  char *name = qe__strndup((const char *)e->name.data, e->name.size);
  if (!name) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = qe__observer_create(&config, name, out);
  if (status == QE_OK) status = qe__observer_load(*out, e->state.data, e->state.size);
  if (status != QE_OK) qe__observer_destroy(out);
  qe__free(name);
  return status;
}

static bool same_block(block a, block b) { return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0); }

static qe_status_t merge_into(sink *s, const stats_file *a, const stats_file *b, const char *a_path, const char *b_path) {
  if (memcmp(a->hash, b->hash, HASH) != 0) return qe__fail(QE_ERROR_STATE, "'%s' and '%s' come from different models (their hashes differ)", a_path, b_path);
  if (!same_block(a->mapping, b->mapping)) return qe__fail(QE_ERROR_STATE, "'%s' and '%s' were made with different qconfigs", a_path, b_path);
  if (a->count != b->count) return qe__fail(QE_ERROR_STATE, "'%s' has %u observers, '%s' has %u", a_path, a->count, b_path, b->count);
  QE_TRY(put_header(s, a->batches + b->batches, a->hash, a->mapping.data, a->mapping.size, a->count));
  for (uint32_t i = 0; i < a->count; i++) {
    qe__observer *x = NULL, *y = NULL;
    if (!same_block(a->entries[i].name, b->entries[i].name) || !same_block(a->entries[i].config, b->entries[i].config)) {
      return qe__fail(QE_ERROR_STATE, "'%s' and '%s' observe different tensors", a_path, b_path);
    }
    qe_status_t status = qe__stats_observer(&a->entries[i], a_path, &x);
    if (status == QE_OK) status = qe__stats_observer(&b->entries[i], b_path, &y);
    if (status == QE_OK) status = qe__observer_merge(x, y);
    if (status == QE_OK) status = put_observer(s, a->entries[i].name.data, a->entries[i].name.size, x);
    qe__observer_destroy(&x);
    qe__observer_destroy(&y);
    QE_TRY(status);
  }
  return put_digest(s);
}

qe_status_t qe_stats_merge(const char *a, const char *b, const char *out_path, int overwrite) {
  stats_file fa, fb;
  sink s = {0};
  QE_CHECK_ARG(a && b && out_path, "a path is NULL");
  QE_TRY(qe__stats_open(a, &fa));
  qe_status_t status = qe__stats_open(b, &fb);
  if (status == QE_OK) {
    status = merge_into(&s, &fa, &fb, a, b);
    if (status == QE_OK) status = qe__write_file(out_path, s.data, s.size, overwrite);
    qe__stats_close(&fb);
  }
  qe__stats_close(&fa);
  qe__free(s.data);
  return status;
}
