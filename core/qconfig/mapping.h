/* The mapping behind the public handle. */
#ifndef QE_CORE_QCONFIG_MAPPING_H
#define QE_CORE_QCONFIG_MAPPING_H

#include "base/memory.h"
#include "qconfig/qconfig.h"

typedef enum qe__rule_kind { QE__RULE_OP_TYPE, QE__RULE_GLOB, QE__RULE_NAME, QE__RULE_KINDS } qe__rule_kind;

typedef struct qe__rule {
  qe__rule_kind kind;
  char *pattern;
  bool quantize;      /* false: keep float */
  bool optional;      /* part of a preset: may match nothing */
  qe_qconfig_t qconfig;
} qe__rule;

struct qe_qconfig_mapping {
  bool has_global;
  bool equalize;      /* scale channels before calibration (flow/equalize.c) */
  qe_qconfig_t global;
  qe__rule *rules;    /* in the order given */
  size_t count, capacity;
};

/* Adds a rule, or replaces one of the same kind and pattern where it stands. qconfig NULL: keep float. */
qe_status_t qe__mapping_add(qe_qconfig_mapping_t *m, qe__rule_kind kind, const char *pattern, const qe_qconfig_t *qconfig, bool optional);

#endif
