/* See replay.h. */
#include "conform/replay.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "qengine/data.h"

qe_status_t qe__replay_check(const qe_conform_options_t *o) {
  if (o->n_replays == 0) return QE_OK;
  QE_CHECK_ARG(o->replays != NULL, "options->replays is NULL");
  QE_CHECK_ARG(o->n_cases > 0, "options->replays needs options->cases: files belong to the inputs of given cases");
  QE_CHECK_ARG(!o->minimize, "options->minimize does not go with options->replays: a smaller case has other shapes");
  QE_CHECK_ARG(!o->perf, "options->perf does not go with options->replays: times are of the pattern's data");
  for (uint32_t i = 0; i < o->n_replays; i++) {
    const qe_conform_replay_t *r = &o->replays[i];
    QE_CHECK_ARG(r->path != NULL && r->path[0] != '\0', "options->replays: a path is NULL or empty");
    if (r->input >= QE__CASE_IN)
      return qe__fail(QE_ERROR_INVALID_ARGUMENT, "replay of input %u from '%s': a case has at most %d inputs", r->input,
                      r->path, (int)QE__CASE_IN);
    for (uint32_t k = 0; k < i; k++)
      if (o->replays[k].input == r->input)
        return qe__fail(QE_ERROR_INVALID_ARGUMENT, "replay of input %u is given twice: '%s' and '%s'", r->input,
                        o->replays[k].path, r->path);
  }
  return QE_OK;
}

/* Kernels may rely on indices and lengths that lie in range; the core would have refused the others. */
static qe_status_t check_range(const qe__case_operand *o, const qe_conform_replay_t *r, const qe_tensor_t *t) {
  if (o->fill != QE__FILL_INDEX && o->fill != QE__FILL_LENGTH) return QE_OK;
  const bool index = o->fill == QE__FILL_INDEX;
  const int64_t lo = index ? -o->limit : 0, hi = index ? o->limit - 1 : o->limit;
  for (int64_t i = 0; i < t->count; i++) {
    const double v = qe__tensor_float_at(t, i);
    if (!(v >= (double)lo && v <= (double)hi))
      return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                      "replay of input %u from '%s': element %lld is %g, expected %lld to %lld (%s)", r->input, r->path,
                      (long long)i, v, (long long)lo, (long long)hi, index ? "an index" : "a length");
  }
  return QE_OK;
}

static qe_status_t check_file(const qe__case_operand *o, const qe_conform_replay_t *r, const qe_tensor_t *t) {
  char found[160], expected[160];
  if (t->dtype != o->dtype)
    return qe__fail(QE_ERROR_DTYPE, "replay of input %u from '%s': the file holds %s, the case's input is %s", r->input,
                    r->path, qe_dtype_name(t->dtype), qe_dtype_name(o->dtype));
  const bool shaped = t->rank > 1;
  if (t->count != o->count ||
      (shaped && (t->rank != o->rank || memcmp(t->dims, o->dims, o->rank * sizeof o->dims[0]) != 0)))
    return qe__fail(QE_ERROR_SHAPE,
                    "replay of input %u from '%s': the file holds %lld elements, shape %s; the case's input has %lld, "
                    "shape %s",
                    r->input, r->path, (long long)t->count, qe__dims_text(t->rank, t->dims, found, sizeof found),
                    (long long)o->count, qe__dims_text(o->rank, o->dims, expected, sizeof expected));
  return check_range(o, r, t);
}

static qe_status_t load_one(qe__built *b, const qe_conform_replay_t *r) {
  qe_tensor_t *t = NULL;
  qe__case_operand *o = r->input < b->n_in ? &b->in[r->input] : NULL;
  if (o == NULL || !o->present)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "replay of input %u from '%s': this case has no such input (it has %u)",
                    r->input, r->path, b->n_in);
  if (o->data != NULL)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "replay of input %u from '%s': the fields of the case decide what this input holds", r->input,
                    r->path);
  QE_TRY(qe_tensor_load(r->path, NULL, &t));
  qe_status_t status = check_file(o, r, t);
  if (status == QE_OK) status = qe__tensor_reshape(t, o->rank, o->dims, &o->data);
  qe_tensor_release(&t);
  return status;
}

qe_status_t qe__replay_load(qe__built *b, uint32_t n, const qe_conform_replay_t *replays) {
  for (uint32_t i = 0; i < n; i++) QE_TRY(load_one(b, &replays[i]));
  return QE_OK;
}

char *qe__replay_text(uint32_t n, const qe_conform_replay_t *replays) {
  size_t size = 1;
  for (uint32_t i = 0; i < n; i++) size += 4 * strlen(replays[i].path) + 32;
  char *text = qe__calloc(size, 1), *at = text;
  for (uint32_t i = 0; text != NULL && i < n; i++) {
    at += snprintf(at, 32, " --replay '%u=", replays[i].input);
    for (const char *c = replays[i].path; *c != '\0'; c++) {
      const char *const piece = *c == '\'' ? "'\\''" : (const char[2]){*c, '\0'};
      const size_t length = strlen(piece);
      memcpy(at, piece, length);
      at += length;
    }
    *at++ = '\'';
  }
  return text;
}
