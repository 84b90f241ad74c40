/* qe_engine_list: every candidate, usable or not, as plain strings that outlive later loads. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "engine/load.h"

enum { ISA_TEXT = 128 };

struct qe_engine_list {
  uint32_t count;
  qe__candidate *candidates; /* owns the strings of infos */
  qe_engine_info_t *infos;
  char (*isa)[ISA_TEXT];
};

/* The levels that the engine's usable kernels ask for. */
static uint64_t isa_in_use(const qe__engine *engine) {
  uint64_t isa = engine->table.isa_required;
  for (uint32_t i = 0; i < engine->n_kernels; i++) isa |= engine->kernels[i].row.isa_required;
  return isa;
}

static void fill(qe_engine_info_t *info, const qe__candidate *c, char *isa, const qe__engine *selected) {
  isa[0] = '\0';
  *info = (qe_engine_info_t){.name = c->name,
                             .path = c->path,
                             .version = c->version,
                             .vendor = c->vendor,
                             .usable = c->engine != NULL,
                             .reason = c->reason != NULL ? c->reason : "",
                             .isa = isa};
  if (c->engine == NULL) return;
  info->kernels = c->engine->n_kernels;
  info->observers = c->engine->n_observers;
  info->selected = c->engine == selected;
  qe__isa_text(isa_in_use(c->engine), isa, ISA_TEXT);
}

qe_status_t qe_engine_list_create(qe_engine_list_t **out) {
  QE_CHECK_ARG(out != NULL, "out is NULL");
  *out = NULL;
  QE_TRY(qe__engines_ready());
  const qe__engine *selected = NULL;
  size_t count = 0;
  /* A bad QUANTIZED_ENGINE is no reason not to list; only running out of memory is. */
  if (qe__engine_resolve(NULL, &selected) == QE_ERROR_OUT_OF_MEMORY) return QE_ERROR_OUT_OF_MEMORY;
  qe_engine_list_t *list = qe__calloc(1, sizeof *list);
  if (list == NULL) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = qe__engine_candidates(&list->candidates, &count);
  if (status != QE_OK) goto fail;
  list->count = (uint32_t)count;
  list->infos = qe__calloc(count, sizeof *list->infos);
  list->isa = qe__calloc(count, sizeof *list->isa);
  if (list->infos == NULL || list->isa == NULL) {
    status = QE_ERROR_OUT_OF_MEMORY;
    goto fail;
  }
  for (size_t i = 0; i < count; i++) fill(&list->infos[i], &list->candidates[i], list->isa[i], selected);
  *out = list;
  return QE_OK;
fail:
  qe_engine_list_destroy(&list);
  return status;
}

uint32_t qe_engine_list_count(const qe_engine_list_t *list) { return list != NULL ? list->count : 0; }

const qe_engine_info_t *qe_engine_list_at(const qe_engine_list_t *list, uint32_t index) {
  return list != NULL && index < list->count ? &list->infos[index] : NULL;
}

void qe_engine_list_destroy(qe_engine_list_t **list) {
  if (list == NULL || *list == NULL) return;
  qe__candidates_free((*list)->candidates, (*list)->count);
  qe__free((*list)->infos);
  qe__free((*list)->isa);
  qe__free(*list);
  *list = NULL;
}
