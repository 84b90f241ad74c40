/*
 * Step "validate": the plugin's table, all of it, before anything is published. The host reads a row's first
 * min(struct_size, own sizeof) bytes into a zeroed copy and looks only at the copy. Pointers must lead into loaded
 * objects, so a wrong count or a wild pointer is refused instead of followed.
 */
#include <string.h>

#include "base/memory.h"
#include "engine/load.h"
#include "engine/rows.h"

/* Sizes as first published with ABI 0.1; fields appended later are not asked for. */
#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)NULL)->field))
enum {
  PLUGIN_SIZE = END_OF(qe_plugin, self_test),
  KERNEL_SIZE = END_OF(qe_kernel, run),
  OBSERVER_SIZE = END_OF(qe_observer, load),
  TEXT_MAX = 127,
  QCONFIG_MAX = 1 << 20
};

static qe_status_t copy_table(const qe_plugin *table, qe_plugin *copy) {
  memset(copy, 0, sizeof *copy);
  if ((uintptr_t)table % _Alignof(qe_plugin) != 0 || !qe__mapped(table, PLUGIN_SIZE)) {
    return qe__fail(QE_ERROR_ENGINE, "returned a table at %p that is not static data of the plugin", (const void *)table);
  }
  if (table->magic != QE_PLUGIN_MAGIC) {
    return qe__fail(QE_ERROR_ENGINE, "returned a table with magic 0x%08x, expected 0x%08x (QE_PLUGIN_MAGIC)", table->magic, QE_PLUGIN_MAGIC);
  }
  if (table->abi_major != QE_ABI_MAJOR) {
    return qe__fail(QE_ERROR_ENGINE, "is built for plugin ABI %u.%u, this host has %d.%d; the first number must be equal",
                    table->abi_major, table->abi_minor, QE_ABI_MAJOR, QE_ABI_MINOR);
  }
  if (table->struct_size < PLUGIN_SIZE || !qe__mapped(table, table->struct_size)) {
    return qe__fail(QE_ERROR_ENGINE, "returned a table with struct_size %u, expected at least %d (sizeof(qe_plugin))", table->struct_size, PLUGIN_SIZE);
  }
  memcpy(copy, table, table->struct_size < sizeof *copy ? table->struct_size : sizeof *copy);
  return QE_OK;
}

static qe_status_t check_text(const char *text, const char *field) {
  if (text == NULL) return qe__fail(QE_ERROR_ENGINE, "has no %s (NULL in its table)", field);
  const long length = qe__mapped_text(text, TEXT_MAX);
  if (length < 0) return qe__fail(QE_ERROR_ENGINE, "has a bad %s: longer than %d characters or not static data", field, TEXT_MAX);
  for (long i = 0; i < length; i++) {
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
      return qe__fail(QE_ERROR_ENGINE, "has a bad %s: control character 0x%02x at position %ld", field, (unsigned char)text[i], i);
    }
  }
  return QE_OK;
}

static qe_status_t check_name(const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
  QE_TRY(check_text(name, "engine name"));
  const size_t length = strlen(name);
  if (length < 1 || length > 31 || strspn(name, letters) != length) {
    return qe__fail(QE_ERROR_ENGINE, "calls itself '%s'; an engine name is 1 to 31 characters of a-z, 0-9 and _", name);
  }
  if (strcmp(name, "none") == 0 || strcmp(name, "core") == 0) {
    return qe__fail(QE_ERROR_ENGINE, "calls itself '%s', a name that qengine keeps for itself; choose another", name);
  }
  return QE_OK;
}

static const char *sanitizer_name(uint32_t sanitizer) {
  switch (sanitizer) {
    case QE_SANITIZER_NONE: return "no sanitizer";
    case QE_SANITIZER_ADDRESS: return "AddressSanitizer";
    case QE_SANITIZER_THREAD: return "ThreadSanitizer";
    default: return "an unknown sanitizer";
  }
}

static qe_status_t check_head(const qe_plugin *t) {
  QE_TRY(check_name(t->engine));
  QE_TRY(check_text(t->vendor, "vendor"));
  QE_TRY(check_text(t->version, "version"));
  QE_TRY(check_text(t->build_id, "build_id"));
  QE_TRY(check_text(t->license, "license"));
  if (t->flags != 0) {
    return qe__fail(QE_ERROR_ENGINE, "sets table flags 0x%llx that this host does not know", (unsigned long long)t->flags);
  }
  if (t->sanitizer != QE_PLUGIN_SANITIZER) {
    return qe__fail(QE_ERROR_ENGINE, "is built with %s, this program with %s; build both alike", sanitizer_name(t->sanitizer),
                    sanitizer_name(QE_PLUGIN_SANITIZER));
  }
  const uint64_t lacking = t->isa_required & ~qe__cpu()->isa;
  if (lacking != 0) {
    char text[128];
    return qe__fail(QE_ERROR_ENGINE, "needs %s, which this machine lacks or QENGINE_CPU_MASK hides", qe__isa_text(lacking, text, sizeof text));
  }
  if (t->create == NULL) return qe__fail(QE_ERROR_ENGINE, "has no create function (NULL in its table)");
  if (t->destroy == NULL) return qe__fail(QE_ERROR_ENGINE, "has no destroy function (NULL in its table)");
  if (t->default_qconfig != NULL && qe__mapped_text(t->default_qconfig, QCONFIG_MAX) < 0) {
    return qe__fail(QE_ERROR_ENGINE, "has a default_qconfig that is longer than %d bytes or not static data", QCONFIG_MAX);
  }
  return QE_OK;
}

/* The outside of an array: pointer, stride, count. `size` and `align` are those of the host's row. */
static qe_status_t check_array(const char *what, const void *rows, uint32_t count, uint32_t stride, size_t smallest, size_t align) {
  size_t bytes;
  if (count == 0) return QE_OK;
  if (rows == NULL) return qe__fail(QE_ERROR_ENGINE, "says it has %u %ss, but the pointer to them is NULL", count, what);
  if (stride < smallest || stride % align != 0) {
    return qe__fail(QE_ERROR_ENGINE, "has %s_stride %u, expected a multiple of %zu, at least %zu (the row's sizeof)", what, stride, align, smallest);
  }
  if (!qe__mul_size(count, stride, &bytes)) {
    return qe__fail(QE_ERROR_ENGINE, "has %u %ss with a stride of %u bytes, which overflows", count, what, stride);
  }
  if ((uintptr_t)rows % align != 0 || !qe__mapped(rows, bytes)) {
    return qe__fail(QE_ERROR_ENGINE, "says it has %u %ss of %u bytes at %p, which are not static data of the plugin; is the count right?", count, what,
                    stride, rows);
  }
  return QE_OK;
}

static qe_status_t check_row_size(const char *what, uint32_t index, uint32_t size, uint32_t stride, uint32_t smallest) {
  if (size >= smallest && size <= stride) return QE_OK;
  return qe__fail(QE_ERROR_ENGINE, "%s %u has struct_size %u, expected %u to its stride of %u", what, index, size, smallest, stride);
}

static qe_status_t copy_kernels(qe__loaded *into) {
  const qe_plugin *t = &into->engine.table;
  qe_status_t status = QE_OK;
  QE_TRY(check_array("kernel", t->kernels, t->kernel_count, t->kernel_stride, KERNEL_SIZE, _Alignof(qe_kernel)));
  qe__kernel *rows = qe__calloc(t->kernel_count, sizeof *rows);
  if (rows == NULL) return QE_ERROR_OUT_OF_MEMORY;
  into->exact = true;
  for (uint32_t i = 0; i < t->kernel_count; i++) {
    const qe_kernel *from = (const qe_kernel *)(const void *)((const char *)t->kernels + (size_t)i * t->kernel_stride);
    QE_TRY_GOTO(check_row_size("kernel", i, from->struct_size, t->kernel_stride, KERNEL_SIZE), done);
    memcpy(&rows[i].row, from, from->struct_size < sizeof rows[i].row ? from->struct_size : sizeof rows[i].row);
    rows[i].engine = &into->engine;
    QE_TRY_GOTO(qe__kernel_row_check(&rows[i].row, i), done);
    if (rows[i].row.exactness != QE_EXACT_E0) into->exact = false;
  }
  status = qe__kernel_rows_sort(rows, t->kernel_count, qe__cpu()->isa, &into->engine.kernels, &into->engine.n_kernels);
done:
  qe__free(rows);
  return status;
}

static qe_status_t copy_observers(qe__loaded *into) {
  const qe_plugin *t = &into->engine.table;
  QE_TRY(check_array("observer", t->observers, t->observer_count, t->observer_stride, OBSERVER_SIZE, _Alignof(qe_observer)));
  into->engine.observers = qe__calloc(t->observer_count, sizeof *into->engine.observers);
  if (into->engine.observers == NULL) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < t->observer_count; i++) {
    const qe_observer *from = (const qe_observer *)(const void *)((const char *)t->observers + (size_t)i * t->observer_stride);
    qe_observer *o = &into->engine.observers[i];
    QE_TRY(check_row_size("observer", i, from->struct_size, t->observer_stride, OBSERVER_SIZE));
    memcpy(o, from, from->struct_size < sizeof *o ? from->struct_size : sizeof *o);
    QE_TRY(qe__observer_row_check(o, i));
    for (uint32_t j = 0; j < i; j++) {
      if (strcmp(into->engine.observers[j].name, o->name) == 0) {
        return qe__fail(QE_ERROR_ENGINE, "observers %u and %u are both called '%s'", j, i, o->name);
      }
    }
  }
  into->engine.n_observers = t->observer_count;
  return QE_OK;
}

qe_status_t qe__engine_validate(const qe_plugin *table, qe__loaded *into) {
  qe__engine *e = &into->engine;
  QE_TRY(copy_table(table, &e->table));
  QE_TRY(check_name(e->table.engine));
  /* The names first: whatever is wrong further on is then reported with them. */
  e->name = qe__strdup(e->table.engine);
  if (e->name == NULL) return QE_ERROR_OUT_OF_MEMORY;
  QE_TRY(check_text(e->table.vendor, "vendor"));
  QE_TRY(check_text(e->table.version, "version"));
  e->vendor = qe__strdup(e->table.vendor);
  e->version = qe__strdup(e->table.version);
  if (e->vendor == NULL || e->version == NULL) return QE_ERROR_OUT_OF_MEMORY;
  QE_TRY(check_head(&e->table));
  QE_TRY(copy_kernels(into));
  return copy_observers(into);
}

void qe__loaded_free(qe__loaded *engine) {
  if (engine == NULL) return;
  qe__free(engine->engine.name);
  qe__free(engine->engine.path);
  qe__free(engine->engine.vendor);
  qe__free(engine->engine.version);
  qe__free(engine->engine.kernels);
  qe__free(engine->engine.observers);
  for (uint32_t i = 0; i < engine->n_options; i++) qe__free(engine->options[i]);
  qe__free(engine->options);
  qe__free(engine);
}
