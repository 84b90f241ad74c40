/*
 * Named qconfigs: ours, torch's (1.13, torch.ao.quantization.get_default_qconfig and get_default_qat_qconfig), and the
 * engines' own.
 */
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "engine/engine.h"
#include "observe/observe.h"
#include "qconfig/mapping.h"

static const char *const NAMES[] = {"default", "fbgemm", "x86", "qnnpack", "onednn", "dynamic", "dynamic_per_tensor",
                                    "weight_only_int8", "weight_only_int4", "float16", "embedding", "embedding_4bit",
                                    "default_qat", "fbgemm_qat", "x86_qat", "qnnpack_qat", "onednn_qat", NULL};

const char *const *qe_qconfig_preset_names(void) {
  return NAMES;
}

static void set_observer(qe_observer_config_t *c, const char *name) {
  memset(c->observer, 0, sizeof c->observer);
  memcpy(c->observer, name, strnlen(name, sizeof c->observer - 1));
}

void qe_observer_config_default(qe_observer_config_t *out) {
  if (!out) return;
  *out = (qe_observer_config_t){.struct_size = sizeof *out,
                                .dtype = QE_UINT8,
                                .qscheme = QE_PER_TENSOR_AFFINE,
                                .eps = 0x1p-23f,
                                .averaging_constant = 0.01f,
                                .bins = 2048,
                                .upsample_rate = 128,
                                .method = QE_HISTOGRAM_L2,
                                .percentile = 0.9999f,
                                .scale = 1.0f};
  set_observer(out, "min_max");
}

/* int8 weights, one scale per output channel (or one in all). */
static void weight_observer(qe_observer_config_t *w, bool per_channel, bool restricted) {
  qe_observer_config_default(w);
  set_observer(w, per_channel ? "per_channel_min_max" : "min_max");
  w->dtype = QE_INT8;
  w->qscheme = per_channel ? QE_PER_CHANNEL_SYMMETRIC : QE_PER_TENSOR_SYMMETRIC;
  w->ch_axis = -1;
  if (restricted) {
    w->has_range = 1;
    w->quant_min = -127;
    w->quant_max = 127;
  }
}

/* Presets that leave activations alone, and the ops that they are for. */
static const struct {
  const char *name, *observer;
  qe_dtype_t dtype;
  qe_qscheme_t qscheme;
  const char *const ops[5];
} WEIGHTS[] = {
    {"weight_only_int8", "per_channel_min_max", QE_INT8, QE_PER_CHANNEL_SYMMETRIC, {"Linear"}},
    {"weight_only_int4", "per_channel_min_max", QE_INT4, QE_PER_CHANNEL_SYMMETRIC, {"Linear"}},
    {"float16", "placeholder", QE_FLOAT16, QE_PER_TENSOR_AFFINE, {"Linear", "LSTM", "GRU", "RNN"}},
    {"embedding", "per_channel_min_max", QE_UINT8, QE_PER_CHANNEL_AFFINE, {"Gather", "EmbeddingBag"}},
    {"embedding_4bit", "per_channel_min_max", QE_UINT4, QE_PER_CHANNEL_AFFINE, {"Gather", "EmbeddingBag"}},
};
enum { N_WEIGHTS = sizeof WEIGHTS / sizeof WEIGHTS[0] };

static bool weight_preset(const char *name, qe_qconfig_t *q) {
  for (size_t i = 0; i < N_WEIGHTS; i++) {
    if (strcmp(WEIGHTS[i].name, name) != 0) continue;
    *q = (qe_qconfig_t){.struct_size = sizeof *q};
    qe_observer_config_default(&q->activation);
    memset(q->activation.observer, 0, sizeof q->activation.observer);
    qe_observer_config_default(&q->weight);
    set_observer(&q->weight, WEIGHTS[i].observer);
    q->weight.dtype = WEIGHTS[i].dtype;
    q->weight.qscheme = WEIGHTS[i].qscheme;
    return true;
  }
  return false;
}

/* Such a preset's mapping: rules for its ops, nothing else is quantized. */
static qe_status_t weight_mapping(const char *name, const qe_qconfig_t *q, qe_qconfig_mapping_t **out) {
  QE_TRY(qe_qconfig_mapping_create(NULL, out));
  for (size_t i = 0; i < N_WEIGHTS; i++) {
    for (const char *const *op = WEIGHTS[i].ops; strcmp(WEIGHTS[i].name, name) == 0 && *op; op++) {
      const qe_status_t status = qe__mapping_add(*out, QE__RULE_OP_TYPE, *op, q, true);
      if (status == QE_OK) continue;
      qe_qconfig_mapping_destroy(out);
      return status;
    }
  }
  return QE_OK;
}

/* "fbgemm_qat" -> "fbgemm"; false: another name. */
static bool without_qat(const char *name, char out[24]) {
  static const char suffix[] = "_qat";
  const size_t length = strlen(name), cut = sizeof suffix - 1;
  if (length <= cut || length - cut >= 24 || strcmp(name + length - cut, suffix) != 0) return false;
  memcpy(out, name, length - cut);
  out[length - cut] = '\0';
  return true;
}

static bool preset(const char *name, qe_qconfig_t *q);

/*
 * The form of a static preset for training: moving averages of minima and maxima, of the weight too, as in torch's
 * get_default_qat_qconfig; our own default follows the weight as it is now.
 */
static bool qat_preset(const char *name, qe_qconfig_t *q) {
  char base[24];
  if (!without_qat(name, base) || !preset(base, q) || strcmp(q->activation.observer, "histogram") != 0) return false;
  qe_observer_config_t fresh;
  qe_observer_config_default(&fresh);
  q->activation.method = fresh.method; /* no histogram, no search */
  set_observer(&q->activation, "moving_average_min_max");
  if (strcmp(base, "default") == 0) return true;
  const bool per_channel = q->weight.qscheme == QE_PER_CHANNEL_SYMMETRIC;
  set_observer(&q->weight, per_channel ? "moving_average_per_channel_min_max" : "moving_average_min_max");
  return true;
}

static bool preset(const char *name, qe_qconfig_t *q) {
  if (weight_preset(name, q) || qat_preset(name, q)) return true;
  *q = (qe_qconfig_t){.struct_size = sizeof *q};
  qe_observer_config_default(&q->activation);
  set_observer(&q->activation, "histogram");
  if (strcmp(name, "default") == 0) {
    q->activation.method = QE_HISTOGRAM_MSE;
    weight_observer(&q->weight, true, true);
  } else if (strcmp(name, "fbgemm") == 0 || strcmp(name, "x86") == 0) {
    q->activation.reduce_range = 1;
    weight_observer(&q->weight, true, false);
  } else if (strcmp(name, "qnnpack") == 0) {
    weight_observer(&q->weight, false, false);
  } else if (strcmp(name, "onednn") == 0) {
    weight_observer(&q->weight, true, false);
  } else if (strcmp(name, "dynamic") == 0 || strcmp(name, "dynamic_per_tensor") == 0) {
    set_observer(&q->activation, "dynamic");
    weight_observer(&q->weight, strcmp(name, "dynamic") == 0, strcmp(name, "dynamic") == 0);
  } else {
    return false;
  }
  return true;
}

/* What belongs to torch's presets beside the qconfig itself. */
static qe_status_t torch_rules(const char *name, qe_qconfig_mapping_t *m) {
  static const char *const pools[] = {"AveragePool", "GlobalAveragePool", "ReduceMean"};
  qe_qconfig_t q = m->global;
  set_observer(&q.activation, "reuse_input"); /* torch runs these on quantized tensors as they are */
  for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
    QE_TRY(qe__mapping_add(m, QE__RULE_OP_TYPE, pools[i], &q, true));
  }
  char base[24];
  if (!without_qat(name, base)) snprintf(base, sizeof base, "%.23s", name);
  if (strcmp(base, "fbgemm") != 0 && strcmp(base, "x86") != 0) return QE_OK;
  q = m->global;
  weight_observer(&q.weight, false, false); /* no per-channel transposed convolution there */
  if (strcmp(base, name) != 0) set_observer(&q.weight, "moving_average_min_max");
  return qe__mapping_add(m, QE__RULE_OP_TYPE, "ConvTranspose", &q, true);
}

/* engine_error: the current message says why it is no usable engine either. */
static qe_status_t unknown_preset(const char *name, bool engine_error) {
  const char *near = qe__nearest_name(name, sizeof NAMES / sizeof NAMES[0] - 1, NAMES);
  char text[480];
  snprintf(text, sizeof text,
           "no qconfig preset is named '%.60s'%s%s%s; there are default, fbgemm, x86, qnnpack, onednn, dynamic, "
           "dynamic_per_tensor, weight_only_int8, weight_only_int4, float16, embedding, embedding_4bit; default_qat, "
           "fbgemm_qat, x86_qat, qnnpack_qat, onednn_qat for training",
           name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
  if (engine_error) return qe__fail_in(QE_ERROR_NOT_FOUND, "%s, and the names of usable engines", text);
  return qe__fail(QE_ERROR_NOT_FOUND, "%s", text);
}

/* An engine's own JSON may name built-in presets only, or two engines could send each other in circles. */
static qe_status_t engine_mapping(const char *name, qe_qconfig_mapping_t **out) {
  const qe__engine *engine = NULL;
  qe_status_t status = qe__engines_ready();
  if (status == QE_OK) status = qe__engine_resolve(name, &engine);
  if (status != QE_OK) return unknown_preset(name, true);
  if (!engine) return unknown_preset(name, false); /* "none" */
  const char *json = qe__engine_default_qconfig(name);
  if (!json) return qe__mapping_preset("default", false, out);
  status = qe__mapping_parse(json, strlen(json), false, out);
  return status == QE_OK ? QE_OK : qe__fail_in(status, "default qconfig of engine '%s'", name);
}

qe_status_t qe__mapping_preset(const char *name, bool engines, qe_qconfig_mapping_t **out) {
  qe_qconfig_t q;
  *out = NULL;
  if (!preset(name, &q)) return engines ? engine_mapping(name, out) : unknown_preset(name, false);
  if (!q.activation.observer[0]) return weight_mapping(name, &q, out);
  QE_TRY(qe_qconfig_mapping_create(&q, out));
  (*out)->equalize = strcmp(name, "default") == 0; /* training finds such scales itself */
  const bool ours = (*out)->equalize || strcmp(name, "default_qat") == 0;
  if (ours || qe__observer_config_is_dynamic(&q.activation)) return QE_OK;
  const qe_status_t status = torch_rules(name, *out);
  if (status != QE_OK) qe_qconfig_mapping_destroy(out);
  return status;
}

qe_status_t qe__preset_qconfig(const char *name, bool engines, qe_qconfig_t *out) {
  qe_qconfig_mapping_t *m = NULL;
  if (preset(name, out)) return QE_OK;
  *out = (qe_qconfig_t){.struct_size = sizeof *out}; /* both observers "": nothing is quantized */
  QE_TRY(engines ? engine_mapping(name, &m) : unknown_preset(name, false));
  if (m->has_global) *out = m->global;
  qe_qconfig_mapping_destroy(&m);
  return QE_OK;
}

qe_status_t qe_qconfig_mapping_preset(const char *name, qe_qconfig_mapping_t **out) {
  QE_CHECK_ARG(out, "out is NULL");
  *out = NULL;
  QE_CHECK_ARG(name, "name is NULL");
  return qe__mapping_preset(name, true, out);
}

qe_status_t qe_default_qconfig(const char *name, qe_qconfig_t *out) {
  QE_CHECK_ARG(out, "out is NULL");
  memset(out, 0, sizeof *out);
  QE_CHECK_ARG(name, "name is NULL");
  return qe__preset_qconfig(name, true, out);
}
