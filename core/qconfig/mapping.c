/* Mappings: life, rules, and which rule a node gets. */
#include "qconfig/mapping.h"

#include <fnmatch.h>
#include <string.h>

#include "base/nearest.h"

qe_status_t qe_qconfig_mapping_create(const qe_qconfig_t *global, qe_qconfig_mapping_t **out) {
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  if (global) QE_TRY(qe__qconfig_check(global, "all nodes"));
  *out = qe__calloc(1, sizeof **out);
  if (!*out) return QE_ERROR_OUT_OF_MEMORY;
  if (global) {
    (*out)->has_global = true;
    (*out)->global = *global;
  }
  return QE_OK;
}

void qe_qconfig_mapping_destroy(qe_qconfig_mapping_t **mapping) {
  qe_qconfig_mapping_t *m = mapping ? *mapping : NULL;
  if (!m) return;
  for (size_t i = 0; i < m->count; i++) qe__free(m->rules[i].pattern);
  qe__free(m->rules);
  qe__free(m);
  *mapping = NULL;
}

qe_status_t qe__mapping_add(qe_qconfig_mapping_t *m, qe__rule_kind kind, const char *pattern,
                            const qe_qconfig_t *qconfig, bool optional) {
  size_t i = 0;
  char *copy;
  while (i < m->count && (m->rules[i].kind != kind || strcmp(m->rules[i].pattern, pattern) != 0)) i++;
  if (i < m->count) { /* the newest rule counts as the latest */
    copy = m->rules[i].pattern;
    memmove(&m->rules[i], &m->rules[i + 1], (m->count - i - 1) * sizeof *m->rules);
    m->count--;
  } else {
    QE_TRY(qe__grow((void **)&m->rules, &m->capacity, m->count, sizeof *m->rules));
    copy = qe__strdup(pattern);
    if (!copy) return QE_ERROR_OUT_OF_MEMORY;
  }
  qe__rule *rule = &m->rules[m->count++];
  *rule = (qe__rule){.kind = kind, .pattern = copy, .quantize = qconfig != NULL, .optional = optional};
  if (qconfig) rule->qconfig = *qconfig;
  return QE_OK;
}

static qe_status_t set_rule(qe_qconfig_mapping_t *m, qe__rule_kind kind, const char *pattern,
                            const qe_qconfig_t *qconfig) {
  if (!m || !pattern || !*pattern) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "a qconfig rule needs a mapping and a non-empty pattern");
  }
  if (qconfig) QE_TRY(qe__qconfig_check(qconfig, pattern));
  return qe__mapping_add(m, kind, pattern, qconfig, false);
}

qe_status_t qe_qconfig_mapping_set_op_type(qe_qconfig_mapping_t *m, const char *op, const qe_qconfig_t *qconfig) {
  return set_rule(m, QE__RULE_OP_TYPE, op, qconfig);
}

qe_status_t qe_qconfig_mapping_set_name_glob(qe_qconfig_mapping_t *m, const char *glob, const qe_qconfig_t *qconfig) {
  return set_rule(m, QE__RULE_GLOB, glob, qconfig);
}

qe_status_t qe_qconfig_mapping_set_name(qe_qconfig_mapping_t *m, const char *name, const qe_qconfig_t *qconfig) {
  return set_rule(m, QE__RULE_NAME, name, qconfig);
}

qe_status_t qe__qconfig_mapping_clone(const qe_qconfig_mapping_t *mapping, qe_qconfig_mapping_t **out) {
  QE_TRY(qe_qconfig_mapping_create(mapping->has_global ? &mapping->global : NULL, out));
  (*out)->equalize = mapping->equalize;
  for (size_t i = 0; i < mapping->count; i++) {
    const qe__rule *r = &mapping->rules[i];
    const qe_qconfig_t *qconfig = r->quantize ? &r->qconfig : NULL;
    const qe_status_t status = qe__mapping_add(*out, r->kind, r->pattern, qconfig, r->optional);
    if (status != QE_OK) {
      qe_qconfig_mapping_destroy(out);
      return status;
    }
  }
  return QE_OK;
}

qe_status_t qe_qconfig_mapping_set_equalize(qe_qconfig_mapping_t *m, int on) {
  QE_CHECK_ARG(m, "mapping is NULL");
  m->equalize = on != 0;
  return QE_OK;
}

bool qe__qconfig_mapping_equalize(const qe_qconfig_mapping_t *mapping) {
  return mapping->equalize;
}

/* ---- matching ---- */

static bool matches_text(const qe__rule *r, const char *text) {
  return r->kind == QE__RULE_GLOB ? fnmatch(r->pattern, text, 0) == 0 : strcmp(r->pattern, text) == 0;
}

/* A fused node is known by every name that went into it: "conv1, bn1, relu1". `scratch` has room for all of them. */
static bool matches_origin(const qe__rule *r, const char *origin, char *scratch) {
  while (origin) {
    const char *end = strstr(origin, ", ");
    const size_t length = end ? (size_t)(end - origin) : strlen(origin);
    memcpy(scratch, origin, length);
    scratch[length] = '\0';
    if (matches_text(r, scratch)) return true;
    origin = end ? end + 2 : NULL;
  }
  return false;
}

/* MatMul and Gemm are both what torch calls Linear. */
static bool matches_op(const qe__rule *r, const char *op) {
  if (strcmp(r->pattern, op) == 0) return true;
  return strcmp(r->pattern, "Linear") == 0 && (strcmp(op, "Gemm") == 0 || strcmp(op, "MatMul") == 0);
}

static bool matches(const qe__rule *r, const qe__node *n, char *scratch) {
  if (r->kind == QE__RULE_OP_TYPE) return matches_op(r, n->op->name);
  return matches_text(r, n->name) || (n->origin && matches_origin(r, n->origin, scratch));
}

static qe_status_t unmatched(const qe__rule *r, const qe__graph *g) {
  static const char *const kinds[QE__RULE_KINDS] = {"op type", "name pattern", "name"};
  const char **names = qe__calloc(g->n_nodes + 1, sizeof *names);
  if (!names) return QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    names[i] = r->kind == QE__RULE_OP_TYPE ? g->nodes[i]->op->name : g->nodes[i]->name;
  }
  const char *near = qe__nearest_name(r->pattern, g->n_nodes, names);
  qe__free(names); /* the names themselves are the graph's */
  return qe__fail(QE_ERROR_NOT_FOUND,
                  "qconfig: the rule for %s '%s' matches no node of the model%s%s%s; 'qengine info -v' lists the nodes",
                  kinds[r->kind], r->pattern, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Room for the longest origin of a node, as matches_origin wants it. */
static char *origin_scratch(const qe__graph *g) {
  size_t longest = 0;
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const size_t length = g->nodes[i]->origin ? strlen(g->nodes[i]->origin) : 0;
    longest = length > longest ? length : longest;
  }
  return qe__calloc(longest + 1, 1);
}

qe_status_t qe__qconfig_resolve(const qe_qconfig_mapping_t *mapping, const qe__graph *g, const qe_qconfig_t **out) {
  char *scratch = origin_scratch(g);
  qe_status_t status = scratch ? QE_OK : QE_ERROR_OUT_OF_MEMORY;
  for (uint32_t i = 0; i < g->n_nodes; i++) out[i] = mapping->has_global ? &mapping->global : NULL;
  for (int kind = 0; kind < QE__RULE_KINDS; kind++) { /* rising precedence; a later rule of one kind wins */
    for (size_t k = 0; k < mapping->count && status == QE_OK; k++) {
      const qe__rule *r = &mapping->rules[k];
      bool used = false;
      if ((int)r->kind != kind) continue;
      for (uint32_t i = 0; i < g->n_nodes; i++) {
        if (!matches(r, g->nodes[i], scratch)) continue;
        out[i] = r->quantize ? &r->qconfig : NULL;
        used = true;
      }
      if (!used && !r->optional) status = unmatched(r, g);
    }
  }
  qe__free(scratch);
  return status;
}

void qe_string_free(char *text) { qe__free(text); }
