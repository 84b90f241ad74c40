/* The mapping behind the public handle. */
#ifndef QE_CORE_QCONFIG_MAPPING_H
#define QE_CORE_QCONFIG_MAPPING_H

#include "base/memory.h"
#include "qconfig/qconfig.h"

typedef enum qe__rule_kind { QE__RULE_OP_TYPE, QE__RULE_GLOB, QE__RULE_NAME, QE__RULE_KINDS } qe__rule_kind;

typedef struct qe__rule {
  qe__rule_kind kind;
  char *pattern;
  bool quantize; /* false: keep float */
  bool optional; /* part of a preset: may match nothing */
  qe_qconfig_t qconfig;
} qe__rule;

struct qe_qconfig_mapping {
  bool has_global;
  bool equalize; /* scale channels before calibration (flow/equalize.c) */
  qe_qconfig_t global;
  qe__rule *rules; /* in the order given */
  size_t count, capacity;
};

/* Adds a rule as the latest, instead of one of the same kind and pattern. qconfig NULL: keep float. */
qe_status_t qe__mapping_add(qe_qconfig_mapping_t *m, qe__rule_kind kind, const char *pattern,
                            const qe_qconfig_t *qconfig, bool optional);

/* Refuses what no tensor could be observed with; `what` and `rule` are for the message. */
qe_status_t qe__observer_config_check(const qe_observer_config_t *c, bool activation, const char *what);
qe_status_t qe__qconfig_check(const qe_qconfig_t *q, const char *rule);

/* Parses as qe_qconfig_mapping_parse does; engines false: only the built-in presets may be named. */
qe_status_t qe__mapping_parse(const char *json, size_t length, bool engines, qe_qconfig_mapping_t **out);
/* As qe_qconfig_mapping_preset and qe_default_qconfig, with the same restriction. */
qe_status_t qe__mapping_preset(const char *name, bool engines, qe_qconfig_mapping_t **out);
qe_status_t qe__preset_qconfig(const char *name, bool engines, qe_qconfig_t *out);

#endif
