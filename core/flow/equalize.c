/*
 * Equalization: channels that use a small part of their tensor's range are scaled up, and the depthwise convolution
 * that reads them is scaled down by the same factor, so that one scale per tensor serves all channels (cross-layer
 * equalization, Nagel et al. 2019, arXiv:1906.04721, with activation ranges from BatchNorm statistics). The depthwise
 * weights have one scale per channel, so nothing is lost there.
 *
 * Factors are powers of two: the float model computes the same bits as before, unless a value falls outside the range
 * that the statistics promise and meets the upper bound of a Clip. Data plays no part, so the result depends on the
 * model alone.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "flow/flow_internal.h"
#include "registry/quant_rule.h"

/* Half-width of the promised range in deviations: 6 leaves about one value in 10^9 outside for a normal distribution. */
#define DEVIATIONS 6.0f
enum { MAX_SHIFT = 10 };

static const qe_tensor_t *constant(const qe__graph *g, const qe__node *n, uint32_t i) {
  if (i >= n->n_in || n->in[i] == QE__NO_VALUE) return NULL;
  const qe_tensor_t *t = g->values[n->in[i]].data;
  return t && t->dtype == QE_FLOAT32 ? t : NULL;
}

/* The one reader of a value, when it is a depthwise convolution over it. */
static qe__node *depthwise_reader(const qe__graph *g, const qe__uses *uses, qe__value_id v, int64_t channels) {
  if (uses->is_output[v] || uses->start[v + 1] - uses->start[v] != 1) return NULL;
  const uint32_t use = uses->start[v];
  qe__node *n = g->nodes[uses->node[use]];
  if (n->op->id != QE__OP_Conv || uses->input[use] != 0 || n->quantized) return NULL;
  const qe_tensor_t *w = constant(g, n, 1);
  if (!w || w->rank < 3 || w->dims[1] != 1 || qe__node_int(n, "group", 1) != channels || w->dims[0] % channels != 0) return NULL;
  return n;
}

/* The power of two each channel can be scaled by. Returns whether any differs from 0. */
static bool choose_shifts(const qe__node *n, int64_t channels, int *shift) {
  const float *mean = n->channel_stats->data, *deviation = mean + channels;
  float range = 0.0f;
  bool any = false;
  for (int pass = 0; pass < 2; pass++) { /* first the tensor's range, then each channel's share of it */
    for (int64_t c = 0; c < channels; c++) {
      const float hi = mean[c] + DEVIATIONS * deviation[c], lo = mean[c] - DEVIATIONS * deviation[c];
      const float top = hi > n->act.hi ? n->act.hi : hi < n->act.lo ? n->act.lo : hi;
      const float bottom = lo < n->act.lo ? n->act.lo : lo > n->act.hi ? n->act.hi : lo;
      const float reach = fabsf(top) > fabsf(bottom) ? fabsf(top) : fabsf(bottom);
      if (pass == 0) {
        range = reach > range ? reach : range;
        continue;
      }
      shift[c] = 0;
      const bool may_clip = hi >= n->act.hi || (n->act.lo != 0.0f && lo <= n->act.lo);
      if (may_clip || !(reach > 0.0f) || !(range < INFINITY)) continue;
      for (float r = reach * 2.0f; r <= range && shift[c] < MAX_SHIFT; r *= 2.0f) shift[c]++;
      any = any || shift[c] > 0;
    }
  }
  return any;
}

/* A copy of constant input i with element k scaled by 2^(sign * shift[channel of k]). */
static qe_status_t scale_constant(qe__graph *g, qe__node *n, uint32_t i, int64_t per_channel, const int *shift, int sign) {
  qe_tensor_t *t = NULL;
  const qe__value_id old = n->in[i];
  QE_TRY(qe__tensor_copy(g->values[old].data, &t));
  float *x = t->data;
  for (int64_t k = 0; k < t->count; k++) x[k] = ldexpf(x[k], sign * shift[k / per_channel]);
  char *base = qe__format("%s.equalized", g->values[old].name);
  char *name = base ? qe__graph_fresh_name(g, base) : NULL;
  const qe_status_t status = name ? qe__graph_add_constant(g, name, t, &n->in[i]) : QE_ERROR_OUT_OF_MEMORY;
  qe__free(base);
  qe__free(name);
  qe_tensor_release(&t);
  return status;
}

/* `text` as it stands between the quotes of a JSON string. Returns where writing ended; `to` has room for 6 times its length. */
static char *put_json_text(char *to, const char *text) {
  static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
  for (; *text != '\0'; text++) {
    const char *found = strchr(plain, *text);
    if (found != NULL) {
      *to++ = '\\';
      *to++ = letters[found - plain];
    } else if ((unsigned char)*text < 0x20) {
      to += sprintf(to, "\\u%04X", (unsigned)*text);
    } else {
      *to++ = *text;
    }
  }
  return to;
}

/*
 * What was scaled is kept with the model, so that its values can be compared with those of the model it came from:
 * metadata "qengine.equalization" is a JSON object, value name -> power of two of each channel (dimension 1).
 */
static qe_status_t record(qe__graph *g, qe__value_id v, int64_t channels, const int *shift) {
  static const char key[] = "qengine.equalization";
  const char *old = qe__graph_get_metadata(g, key), *name = g->values[v].name;
  const size_t kept = old != NULL && strlen(old) > 2 ? strlen(old) - 1 : 0; /* without its closing brace */
  char *text = qe__calloc(kept + 6 * strlen(name) + 4 * (size_t)channels + 16, 1);
  if (text == NULL) return QE_ERROR_OUT_OF_MEMORY;
  memcpy(text, kept > 0 ? old : "{", kept > 0 ? kept : 1);
  char *to = text + (kept > 0 ? kept : 1);
  to += sprintf(to, kept > 0 ? ",\"" : "\"");
  to = put_json_text(to, name);
  to += sprintf(to, "\":[");
  for (int64_t c = 0; c < channels; c++) to += sprintf(to, c > 0 ? ",%d" : "%d", shift[c]);
  sprintf(to, "]}");
  const qe_status_t status = qe__graph_set_metadata(g, key, text);
  qe__free(text);
  return status;
}

static qe_status_t equalize_pair(qe__graph *g, qe__node *a, qe__node *b, int64_t channels) {
  const qe_tensor_t *w = constant(g, a, 1), *bias = constant(g, a, 2), *dw = constant(g, b, 1);
  if (!w || !bias || w->count == 0 || w->dims[0] != channels || bias->count != channels) return QE_OK;
  int *shift = qe__calloc((size_t)channels, sizeof *shift);
  if (!shift) return QE_ERROR_OUT_OF_MEMORY;
  qe_status_t status = QE_OK;
  if (choose_shifts(a, channels, shift)) {
    QE_TRY_GOTO(scale_constant(g, a, 1, w->count / channels, shift, 1), done);
    QE_TRY_GOTO(scale_constant(g, a, 2, 1, shift, 1), done);
    QE_TRY_GOTO(scale_constant(g, b, 1, dw->count / channels, shift, -1), done);
    QE_TRY_GOTO(record(g, a->out[0], channels, shift), done);
  }
done:
  qe__free(shift);
  return status;
}

qe_status_t qe__equalize(qe__graph *g) {
  qe__uses uses;
  QE_TRY(qe__graph_uses(g, &uses));
  qe_status_t status = QE_OK;
  for (uint32_t k = 0; k < g->n_nodes && status == QE_OK; k++) {
    qe__node *a = g->nodes[k];
    if (a->op->id != QE__OP_Conv || a->quantized || !a->channel_stats) continue;
    const int64_t channels = a->channel_stats->dims[1];
    qe__node *b = depthwise_reader(g, &uses, a->out[0], channels);
    if (b) status = equalize_pair(g, a, b, channels);
  }
  qe__uses_free(&uses);
  return status == QE_OK ? qe__graph_sweep(g) : status;
}
