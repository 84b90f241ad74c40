/* Writing checkpoints, and taking them over: everything is compared before anything is changed. */
#include "train/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"

enum { DIFFERENCES = 600 };

/* ---- options that matter, as 64 bits each ---- */

static uint64_t float_bits(float v) {
  uint32_t u;
  memcpy(&u, &v, sizeof u);
  return u;
}

/* More epochs change nothing that was done, unless rates or phases are spread over all of them. */
static bool depends_on_epochs(const qe_trainer_t *t) {
  const qe_train_options_t *o = &t->options;
  const bool spread = o->schedule == QE_LR_COSINE || o->schedule == QE_LR_LINEAR;
  const float phases[3] = {o->fake_quantize_from, o->freeze_observers_at, o->freeze_bn_at};
  bool phased = false;
  for (int i = 0; i < 3; i++) phased = phased || (phases[i] > 0 && phases[i] < 1);
  return spread || (t->qat != NULL && phased);
}

static void pack_options(const qe_trainer_t *t, uint64_t out[QE__OPTION_COUNT]) {
  const qe_train_options_t *o = &t->options;
  size_t n = 0;
#define I(field) out[n++] = (uint64_t)(int64_t)o->field;
#define F(field) out[n++] = float_bits(o->field);
  QE__OPTIONS_THAT_MATTER(I, F)
#undef I
#undef F
  if (!depends_on_epochs(t)) out[QE__OPTION_COUNT - 1] = 0;
}

static const struct option_name {
  const char *name;
  bool is_float;
} option_names[] = {
#define I(field) {#field, false},
#define F(field) {#field, true},
  QE__OPTIONS_THAT_MATTER(I, F)
#undef I
#undef F
};

static double option_value(const struct option_name *o, uint64_t bits) {
  const uint32_t u = (uint32_t)bits;
  float f;
  memcpy(&f, &u, sizeof f);
  return o->is_float ? (double)f : (double)(int64_t)bits;
}

static qe_status_t check_options(const qe_trainer_t *t, const qe__checkpoint *c, const char *path) {
  uint64_t mine[QE__OPTION_COUNT];
  char text[DIFFERENCES] = "";
  size_t used = 0;
  pack_options(t, mine);
  for (size_t i = 0; i < QE__OPTION_COUNT; i++) {
    if (mine[i] == c->options[i]) continue;
    const struct option_name *o = &option_names[i];
    const int n = snprintf(text + used, sizeof text - used, "%s%s %.9g (here %.9g)", used > 0 ? ", " : "", o->name,
                           option_value(o, c->options[i]), option_value(o, mine[i]));
    used = n < 0 || (size_t)n >= sizeof text - used ? sizeof text - 1 : used + (size_t)n;
  }
  return used == 0 ? QE_OK
                   : qe__fail(QE_ERROR_STATE, "%s: the checkpoint was made with %s; give the same options, or begin anew without resuming",
                              path, text);
}

/* ---- writing ---- */

typedef struct sink {
  qe__writer *writer; /* NULL: bytes are only counted */
  qe__sha256_state sha;
  uint64_t size;
} sink;

static qe_status_t put(sink *s, const void *data, size_t size) {
  s->size += size;
  if (s->writer == NULL || size == 0) return QE_OK;
  qe__sha256_update(&s->sha, data, size);
  return qe__writer_write(s->writer, data, size);
}

static qe_status_t put_u32(sink *s, uint32_t v) { return put(s, &v, sizeof v); }
static qe_status_t put_u64(sink *s, uint64_t v) { return put(s, &v, sizeof v); }

static qe_status_t put_text(sink *s, const char *text) {
  QE_TRY(put_u32(s, (uint32_t)strlen(text)));
  return put(s, text, strlen(text));
}

static qe_status_t put_position(sink *s, const qe__position *at) {
#define X(field, type)                                \
  {                                                   \
    uint8_t bytes[8] = {0};                           \
    memcpy(bytes, &at->field, sizeof(type));          \
    QE_TRY(put(s, bytes, sizeof bytes));              \
  }
  QE__POSITION_FIELDS(X)
#undef X
  return QE_OK;
}

static qe_status_t put_entry(sink *s, const qe__state_entry *e) {
  const qe_tensor_t *t = e->tensor;
  QE_TRY(put_text(s, e->kind));
  QE_TRY(put_text(s, e->name));
  QE_TRY(put_u32(s, (uint32_t)t->dtype));
  QE_TRY(put_u32(s, t->rank));
  QE_TRY(put(s, t->dims, t->rank * sizeof t->dims[0]));
  return put(s, t->data, t->bytes);
}

/* What identifies a run: model, teacher, data, options. */
typedef struct identity {
  uint8_t model[QE__CHECKPOINT_HASH], teacher[QE__CHECKPOINT_HASH];
  qe__state_entry *entries;
  uint32_t count;
} identity;

/* What is quantized how belongs to the model. */
static qe_status_t add_mapping(const qe_qconfig_mapping_t *mapping, uint8_t model[QE__CHECKPOINT_HASH]) {
  char *json = NULL;
  qe__sha256_state sha;
  const qe_status_t status = qe_qconfig_mapping_dump(mapping, &json);
  if (status != QE_OK) return status == QE_ERROR_UNSUPPORTED ? QE_OK : status; /* a build without JSON */
  qe__sha256_init(&sha);
  qe__sha256_update(&sha, model, QE__CHECKPOINT_HASH);
  qe__sha256_update(&sha, json, strlen(json));
  qe__sha256_final(&sha, model);
  qe_string_free(json);
  return QE_OK;
}

static qe_status_t hash_models(const qe_trainer_t *t, uint8_t model[QE__CHECKPOINT_HASH], uint8_t teacher[QE__CHECKPOINT_HASH]) {
  if (t->identified) {
    memcpy(model, t->model_hash, QE__CHECKPOINT_HASH);
    memcpy(teacher, t->teacher_hash, QE__CHECKPOINT_HASH);
    return QE_OK;
  }
  memset(teacher, 0, QE__CHECKPOINT_HASH);
  if (t->options.teacher != NULL) qe__model_fingerprint(t->options.teacher->graph, teacher);
  qe__model_fingerprint(t->base->graph, model);
  return t->qat != NULL ? add_mapping(t->qat->mapping, model) : QE_OK;
}

qe_status_t qe__checkpoint_identify(qe_trainer_t *t) {
  if (t->identified) return QE_OK;
  QE_TRY(hash_models(t, t->model_hash, t->teacher_hash));
  t->identified = true;
  return QE_OK;
}

static qe_status_t identify(const qe_trainer_t *t, identity *id) {
  memset(id, 0, sizeof *id);
  QE_TRY(hash_models(t, id->model, id->teacher));
  return qe__trainer_state(t, &id->entries, &id->count);
}

static qe_status_t put_all(const qe_trainer_t *t, const identity *id, uint64_t length, sink *s) {
  uint64_t options[QE__OPTION_COUNT];
  pack_options(t, options);
  QE_TRY(put(s, "QETRAIN\n", 8));
  QE_TRY(put_u32(s, QE__CHECKPOINT_VERSION));
  QE_TRY(put_u32(s, 0));
  QE_TRY(put_u64(s, length));
  QE_TRY(put(s, id->model, sizeof id->model));
  QE_TRY(put(s, id->teacher, sizeof id->teacher));
  QE_TRY(put(s, t->data_hash, sizeof t->data_hash));
  QE_TRY(put(s, options, sizeof options));
  QE_TRY(put_position(s, &t->at));
  QE_TRY(put_u64(s, t->steps_per_epoch));
  QE_TRY(put_u64(s, t->metrics_lines));
  QE_TRY(put_u64(s, id->count));
  for (uint32_t i = 0; i < id->count; i++) QE_TRY(put_entry(s, &id->entries[i]));
  return QE_OK;
}

static qe_status_t write_file(const qe_trainer_t *t, const identity *id, const char *path) {
  sink counted = {0}, s = {0};
  uint8_t digest[QE__CHECKPOINT_HASH];
  QE_TRY(put_all(t, id, 0, &counted));
  QE_TRY(qe__writer_open(path, 1, &s.writer));
  qe__sha256_init(&s.sha);
  qe_status_t status = put_all(t, id, counted.size + sizeof digest, &s);
  qe__sha256_final(&s.sha, digest);
  if (status == QE_OK) status = qe__writer_write(s.writer, digest, sizeof digest);
  if (status == QE_OK) return qe__writer_commit(&s.writer);
  qe__writer_abort(&s.writer);
  return status;
}

qe_status_t qe_trainer_save(const qe_trainer_t *t, const char *path) {
  identity id;
  QE_CHECK_ARG(t != NULL && path != NULL, "trainer or path is NULL");
  qe_status_t status = QE_OK;
  if (qe__comm_rank() == 0) { /* all processes have the same state */
    status = identify(t, &id);
    if (status == QE_OK) status = write_file(t, &id, path);
    qe__free(id.entries);
  }
  return qe__comm_agree(status);
}

/* ---- taking over ---- */

static bool is_zero(const uint8_t hash[QE__CHECKPOINT_HASH]) {
  static const uint8_t zero[QE__CHECKPOINT_HASH];
  return memcmp(hash, zero, sizeof zero) == 0;
}

static qe_status_t check_identity(const qe_trainer_t *t, const identity *id, const qe__checkpoint *c, const char *path) {
  if (memcmp(id->model, c->model, sizeof id->model) != 0) {
    return qe__fail(QE_ERROR_STATE, "%s: the checkpoint is of another model, began from other weights, or quantizes in another way; train the same, or begin anew",
                    path);
  }
  if (memcmp(id->teacher, c->teacher, sizeof id->teacher) != 0) {
    return qe__fail(QE_ERROR_STATE, "%s: the checkpoint was made %s; use the same teacher", path,
                    is_zero(c->teacher) ? "without a teacher" : is_zero(id->teacher) ? "with a teacher" : "with another teacher");
  }
  QE_TRY(check_options(t, c, path));
  if (!is_zero(t->data_hash) && !is_zero(c->data) && memcmp(t->data_hash, c->data, sizeof t->data_hash) != 0) {
    return qe__fail(QE_ERROR_STATE, "%s: the checkpoint was made on other training data; use the same, or begin anew", path);
  }
  return QE_OK;
}

static bool is_text(const char *text, uint32_t length, const char *want) {
  return strlen(want) == length && memcmp(text, want, length) == 0;
}

static qe_status_t check_entry(const qe__checkpoint_entry *have, const qe__state_entry *want, const char *path) {
  char a[200], b[200];
  if (!is_text(have->kind, have->kind_length, want->kind) || !is_text(have->name, have->name_length, want->name)) {
    return qe__fail(QE_ERROR_STATE, "%s: the checkpoint holds the %.*s of '%.*s' where this training has the %s of '%s'", path,
                    (int)(have->kind_length < 40 ? have->kind_length : 40), have->kind,
                    (int)(have->name_length < 200 ? have->name_length : 200), have->name, want->kind, want->name);
  }
  const qe_tensor_t *t = want->tensor;
  if (have->dtype == t->dtype && have->rank == t->rank && memcmp(have->dims, t->dims, t->rank * sizeof t->dims[0]) == 0) return QE_OK;
  return qe__fail(QE_ERROR_STATE, "%s: the %s of '%s' is %s %s in the checkpoint, %s %s here", path, want->kind, want->name,
                  qe_dtype_name(have->dtype), qe__dims_text(have->rank, have->dims, a, sizeof a), qe_dtype_name(t->dtype),
                  qe__dims_text(t->rank, t->dims, b, sizeof b));
}

/* All of them, or none. */
static qe_status_t replace_tensors(const identity *id, const qe__checkpoint *c) {
  qe_tensor_t **fresh = qe__calloc((size_t)id->count + 1, sizeof *fresh);
  qe_status_t status = fresh != NULL ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < id->count && status == QE_OK; i++) {
    const qe__checkpoint_entry *e = &c->entries[i];
    status = qe_tensor_from_data(e->dtype, e->rank, e->dims, e->data, &fresh[i]);
  }
  for (uint32_t i = 0; fresh != NULL && i < id->count; i++) {
    qe_tensor_t *old = status == QE_OK ? *id->entries[i].slot : fresh[i];
    if (status == QE_OK) *id->entries[i].slot = fresh[i];
    qe_tensor_release(&old);
  }
  qe__free(fresh);
  return status;
}

static qe_status_t take_over(qe_trainer_t *t, const qe__checkpoint *c, const char *path) {
  identity id;
  qe_status_t status = identify(t, &id);
  if (status == QE_OK) status = check_identity(t, &id, c, path);
  if (status == QE_OK && c->count != id.count) {
    status = qe__fail(QE_ERROR_STATE, "%s: the checkpoint has %llu tensors, this training %u", path, (unsigned long long)c->count, id.count);
  }
  for (uint32_t i = 0; i < id.count && status == QE_OK; i++) status = check_entry(&c->entries[i], &id.entries[i], path);
  if (status == QE_OK) status = replace_tensors(&id, c);
  qe__free(id.entries);
  if (status != QE_OK) return status;
  t->at = c->at;
  t->metrics_lines = c->metrics_lines;
  if (t->steps_per_epoch == 0) t->steps_per_epoch = c->steps_per_epoch;
  return qe__trainer_publish(t);
}

qe_status_t qe_trainer_load(qe_trainer_t *t, const char *path) {
  void *data;
  size_t size;
  qe__checkpoint c;
  QE_CHECK_ARG(t != NULL && path != NULL, "trainer or path is NULL");
  QE_TRY(qe__read_file(path, SIZE_MAX, &data, &size));
  qe_status_t status = qe__checkpoint_parse(data, size, path, &c);
  if (status == QE_OK) {
    status = take_over(t, &c, path);
    qe__free(c.entries);
  }
  qe__free_aligned(data);
  return status;
}
