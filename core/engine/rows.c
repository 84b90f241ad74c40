/* What makes a kernel row or an observer row valid, and the order that lookups rely on. */
#include "engine/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "engine/load.h"
#include "registry/op_schema.h"

enum { NAME_MAX_LENGTH = 63 };

static bool dtype_valid(uint8_t dtype) {
  return dtype == QE_DT_NONE || dtype == QE_DT_ANY || qe_dtype_bits((qe_dtype_t)dtype) > 0;
}

static qe_status_t check_row_name(const char *what, uint32_t index, const char *name) {
  if (name == NULL) return qe__fail(QE_ERROR_ENGINE, "%s %u has no name (NULL)", what, index);
  const long length = qe__mapped_text(name, NAME_MAX_LENGTH);
  if (length <= 0) {
    return qe__fail(QE_ERROR_ENGINE, "%s %u has a name that is empty, longer than %d characters or not static data", what, index, NAME_MAX_LENGTH);
  }
  for (long i = 0; i < length; i++) {
    if ((unsigned char)name[i] <= 0x20 || (unsigned char)name[i] >= 0x7f) {
      return qe__fail(QE_ERROR_ENGINE, "%s %u has a name with character 0x%02x at position %ld; use printable ASCII without spaces", what, index,
                      (unsigned char)name[i], i);
    }
  }
  return QE_OK;
}

static const char *nearest_op(const char *name) {
  const char *names[QE__OP_COUNT];
  for (uint32_t i = 0; i < QE__OP_COUNT; i++) names[i] = qe__op_at(i)->name;
  return qe__nearest_name(name, QE__OP_COUNT, names);
}

static qe_status_t check_key(const qe_kernel *row) {
  const qe_kernel_key *key = &row->key;
  const char *end = memchr(key->op, '\0', sizeof key->op);
  if (end == NULL || end == key->op) {
    return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has a key whose op is empty or not zero-terminated within %zu bytes", row->name, sizeof key->op);
  }
  for (; end < key->op + sizeof key->op; end++) {
    if (*end != '\0') return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has a key whose op '%s' is not padded with zeros", row->name, key->op);
  }
  if (qe__op_find(key->op) == NULL) {
    const char *near = nearest_op(key->op);
    return qe__fail(QE_ERROR_ENGINE, "kernel '%s' is for op '%s', which this host does not know%s%s%s", row->name, key->op,
                    near != NULL ? "; did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
  }
  for (int i = 0; i < QE_KEY_INPUTS; i++) {
    if (!dtype_valid(key->in[i])) return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has a key with unknown dtype %u for input %d", row->name, key->in[i], i);
  }
  if (!dtype_valid(key->out)) return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has a key with unknown dtype %u for its output", row->name, key->out);
  if (key->quantized > 1) return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has a key with quantized = %u, expected 0 or 1", row->name, key->quantized);
  if (key->layout > QE_LAYOUT_STRIDED) return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has a key with unknown layout %u", row->name, key->layout);
  for (size_t i = 0; i < sizeof key->reserved; i++) {
    if (key->reserved[i] != 0) return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has a key with reserved[%zu] = %u, expected 0", row->name, i, key->reserved[i]);
  }
  return QE_OK;
}

qe_status_t qe__kernel_row_check(const qe_kernel *row, uint32_t index) {
  QE_TRY(check_row_name("kernel", index, row->name));
  QE_TRY(check_key(row));
  if (row->flags != 0) return qe__fail(QE_ERROR_ENGINE, "kernel '%s' sets flags 0x%x that this host does not know", row->name, row->flags);
  if (row->exactness > QE_EXACT_E4) {
    return qe__fail(QE_ERROR_ENGINE, "kernel '%s' claims exactness %u, expected QE_EXACT_E0 to QE_EXACT_E4", row->name, row->exactness);
  }
  if ((row->alignment & (row->alignment - 1)) != 0 || row->alignment > QE__ALIGNMENT_MAX) {
    return qe__fail(QE_ERROR_ENGINE, "kernel '%s' asks for an alignment of %u, expected a power of 2 up to %d", row->name, row->alignment, QE__ALIGNMENT_MAX);
  }
  if (row->plan == NULL) return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has no plan function (NULL)", row->name);
  if (row->run == NULL) return qe__fail(QE_ERROR_ENGINE, "kernel '%s' has no run function (NULL)", row->name);
  return QE_OK;
}

qe_status_t qe__observer_row_check(const qe_observer *row, uint32_t index) {
  QE_TRY(check_row_name("observer", index, row->name));
  const char *lacking = row->init == NULL      ? "init"
                        : row->observe == NULL ? "observe"
                        : row->merge == NULL   ? "merge"
                        : row->qparams == NULL ? "qparams"
                        : row->save == NULL    ? "save"
                        : row->load == NULL    ? "load"
                                               : NULL;
  if (lacking != NULL) return qe__fail(QE_ERROR_ENGINE, "observer '%s' has no %s function (NULL)", row->name, lacking);
  if (row->flags != 0) return qe__fail(QE_ERROR_ENGINE, "observer '%s' sets flags 0x%x that this host does not know", row->name, row->flags);
  if (row->state_size > (size_t)1 << 30) {
    return qe__fail(QE_ERROR_ENGINE, "observer '%s' asks for a state of %zu bytes, expected at most 1 GiB", row->name, row->state_size);
  }
  return QE_OK;
}

/* The comparisons below are of pointers into the table as the plugin wrote it. */
typedef const qe__kernel *const *entry;

static int compare_names(const void *a, const void *b) {
  return strcmp((*(entry)a)->row.name, (*(entry)b)->row.name);
}

static int compare_ranks(const void *a, const void *b) {
  const qe_kernel *x = &(*(entry)a)->row, *y = &(*(entry)b)->row;
  const int op = strcmp(x->key.op, y->key.op);
  if (op != 0 || x->priority == y->priority) return op;
  return x->priority > y->priority ? -1 : 1;
}

/* Equal keys of one priority become neighbours. */
static int compare_keys(const void *a, const void *b) {
  const int rank = compare_ranks(a, b);
  return rank != 0 ? rank : memcmp(&(*(entry)a)->row.key, &(*(entry)b)->row.key, sizeof(qe_kernel_key));
}

/* Among equals the plugin's own order counts. */
static int compare_places(const void *a, const void *b) {
  const int rank = compare_ranks(a, b);
  if (rank != 0) return rank;
  return *(entry)a < *(entry)b ? -1 : *(entry)a > *(entry)b;
}

static qe_status_t check_duplicates(const qe__kernel **sorted, uint32_t count) {
  qsort(sorted, count, sizeof *sorted, compare_names);
  for (uint32_t i = 1; i < count; i++) {
    if (compare_names(&sorted[i - 1], &sorted[i]) == 0) return qe__fail(QE_ERROR_ENGINE, "two kernels are called '%s'", sorted[i]->row.name);
  }
  qsort(sorted, count, sizeof *sorted, compare_keys);
  for (uint32_t i = 1; i < count; i++) {
    if (compare_keys(&sorted[i - 1], &sorted[i]) != 0) continue;
    return qe__fail(QE_ERROR_ENGINE, "kernels '%s' and '%s' have the same key (op %s) and the same priority; give one of them another priority",
                    sorted[i - 1]->row.name, sorted[i]->row.name, sorted[i]->row.key.op);
  }
  return QE_OK;
}

qe_status_t qe__kernel_rows_sort(const qe__kernel *table, uint32_t count, uint64_t isa, qe__kernel **kernels, uint32_t *usable) {
  qe_status_t status = QE_OK;
  *kernels = NULL;
  *usable = 0;
  const qe__kernel **sorted = qe__calloc(count, sizeof *sorted);
  qe__kernel *out = qe__calloc(count, sizeof *out);
  if (sorted == NULL || out == NULL) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto done;
  }
  for (uint32_t i = 0; i < count; i++) sorted[i] = &table[i];
  QE_TRY_GOTO(check_duplicates(sorted, count), done);
  if (count > 0) qsort(sorted, count, sizeof *sorted, compare_places);
  for (uint32_t i = 0; i < count; i++) {
    if ((sorted[i]->row.isa_required & ~isa) == 0) out[(*usable)++] = *sorted[i];
  }
  *kernels = out;
  out = NULL;
done:
  qe__free(sorted);
  qe__free(out);
  return status;
}
