/* Making a case concrete: its family writes operands and attributes, inference gives the rest, then data is filled in.
 */
#include <math.h>
#include <string.h>

#include "conform/case.h"

#define MOST_ELEMENTS (INT64_C(1) << 24)
#define MOST_MACS     (INT64_C(1) << 32)

/* ---- parts, for the families ---- */

static qe_status_t next_input(qe__built *b, qe__case_operand **out) {
  *out = NULL;
  if (b->n_in == QE__CASE_IN) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "a case has at most %d inputs", QE__CASE_IN);
  *out = &b->in[b->n_in++];
  return QE_OK;
}

qe_status_t qe__build_in(qe__built *b, qe_dtype_t dtype, uint32_t rank, const int64_t *dims, qe__fill fill) {
  qe__case_operand *o = NULL;
  QE_TRY(next_input(b, &o));
  o->present = true;
  o->dtype = dtype;
  o->rank = rank;
  o->fill = fill;
  o->q.view.axis = -1;
  if (rank > QE_MAX_RANK)
    return qe__fail(QE_ERROR_SHAPE, "rank %u; at most %d is possible", (unsigned)rank, QE_MAX_RANK);
  for (uint32_t d = 0; d < rank; d++) o->dims[d] = dims[d];
  if (!qe__dims_count(rank, o->dims, &o->count) || o->count > MOST_ELEMENTS) {
    return qe__fail(QE_ERROR_SHAPE, "input %u has more than %lld elements; conformance cases are small",
                    (unsigned)(b->n_in - 1), (long long)MOST_ELEMENTS);
  }
  return QE_OK;
}

qe_status_t qe__build_list(qe__built *b, uint32_t n, const int64_t *values, bool scalar) {
  const int64_t dims[1] = {n};
  QE_TRY(qe__build_in(b, QE_INT64, scalar ? 0 : 1, dims, QE__FILL_NONE));
  qe__case_operand *o = &b->in[b->n_in - 1];
  o->constant = true;
  return qe_tensor_from_data(QE_INT64, o->rank, o->dims, values, &o->data);
}

qe_status_t qe__build_absent(qe__built *b) {
  qe__case_operand *o = NULL;
  return next_input(b, &o);
}

void qe__build_out(qe__built *b, qe_dtype_t dtype) {
  qe__case_operand *o = &b->out[b->n_out++];
  o->present = true;
  o->dtype = dtype;
  o->q.view.axis = -1;
}

/* ---- inference ---- */

static void info_of(const qe__case_operand *o, qe__operand_info *info) {
  *info = (qe__operand_info){
      .present = o->present, .dtype = o->dtype, .rank = o->rank, .data = o->constant ? o->data : NULL};
  memcpy(info->dims, o->dims, sizeof info->dims);
}

static qe_status_t infer(qe__built *b) {
  qe__operand_info in[QE__CASE_IN], out[QE__CASE_OUT];
  memset(out, 0, sizeof out);
  for (uint32_t i = 0; i < b->n_in; i++) info_of(&b->in[i], &in[i]);
  for (uint32_t i = 0; i < b->n_out; i++) {
    out[i].present = b->out[i].present;
    out[i].dtype = b->out[i].dtype;
  }
  qe__infer_ctx ctx = {.node = b->node, .n_in = b->n_in, .n_out = b->n_out, .in = in, .out = out, .params = &b->params};
  QE_TRY(qe__op_infer(&ctx));
  for (uint32_t i = 0; i < b->n_out; i++) {
    qe__case_operand *o = &b->out[i];
    o->dtype = out[i].dtype;
    o->rank = out[i].rank;
    memcpy(o->dims, out[i].dims, sizeof o->dims);
    if (!qe__dims_count(o->rank, o->dims, &o->count) || o->count > MOST_ELEMENTS) {
      return qe__fail(QE_ERROR_SHAPE, "output %u has more than %lld elements; conformance cases are small", (unsigned)i,
                      (long long)MOST_ELEMENTS);
    }
  }
  const qe__op_schema *op = b->node->op;
  b->n_kernel_in = op->kernel_in == 255 || op->kernel_in > b->n_in ? b->n_in : op->kernel_in;
  return QE_OK;
}

static qe_status_t fused(qe__built *b) {
  b->act = (qe__act){-INFINITY, INFINITY};
  const char *act = qe__case_text(&b->text, "act");
  if (!act) return QE_OK;
  if (strcmp(act, "relu") == 0)
    b->act.lo = 0.0f;
  else if (strcmp(act, "relu6") == 0)
    b->act = (qe__act){0.0f, 6.0f};
  else if (strcmp(act, "clip") == 0)
    b->act = (qe__act){-0.5f, 0.75f};
  else
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "act=%s: relu, relu6 and clip are the activations", act);
  return QE_OK;
}

static qe_status_t describe(const qe__family *family, qe__built *b) {
  QE_TRY(qe__graph_create(&b->graph));
  QE_TRY(qe__graph_add_node(b->graph, qe__op_at(b->text.op)->name, "case", 0, NULL, 0, NULL, &b->node));
  QE_TRY(fused(b));
  QE_TRY(family->build(b));
  b->node->quantized = b->quantized;
  b->node->act = b->act;
  int64_t bits = qe__case_int(&b->text, "const", 0);
  for (uint32_t i = 0; i < b->n_in; i++, bits >>= 1) b->in[i].constant = b->in[i].constant || (bits & 1) != 0;
  QE_TRY(infer(b));
  if (b->terms > 0) {
    int64_t macs;
    if (!qe__mul_i64(b->terms, b->out[0].count, &macs) || macs > MOST_MACS)
      return qe__fail(QE_ERROR_SHAPE, "more than %lld multiplications; conformance cases are small",
                      (long long)MOST_MACS);
    b->macs = macs;
  }
  return qe__build_params(b);
}

qe_status_t qe__case_describe(const qe__case *c, uint64_t base_seed, qe__built *out) {
  char text[QE__CASE_TEXT];
  memset(out, 0, sizeof *out);
  out->text = *c;
  out->seed = qe__case_seed(c, base_seed);
  const qe__generator *g = qe__generator_of(c->op);
  if (!g) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "a case without an op");
  if (!g->family->build)
    return qe__fail(QE_ERROR_UNSUPPORTED, "case '%s': the host computes %s itself; no kernel is asked",
                    qe__case_print(c, text), qe__op_at(c->op)->name);
  const qe_status_t status = describe(g->family, out);
  if (status == QE_OK) return QE_OK;
  qe__built_free(out);
  return qe__fail_in(status, "case '%s'", qe__case_print(c, text));
}

static void operand_free(qe__case_operand *o) {
  qe_tensor_release(&o->data);
  qe__qparams_clear(&o->q);
}

void qe__built_free(qe__built *b) {
  for (uint32_t i = 0; i < QE__CASE_IN; i++) operand_free(&b->in[i]);
  for (uint32_t i = 0; i < QE__CASE_OUT; i++) operand_free(&b->out[i]);
  qe__graph_destroy(&b->graph);
  memset(b, 0, sizeof *b);
}

/* ---- keys ---- */

void qe__built_key(const qe__built *b, qe_kernel_key *key) {
  memset(key, 0, sizeof *key);
  memcpy(key->op, b->node->op->name, strnlen(b->node->op->name, sizeof key->op - 1));
  for (uint32_t i = 0; i < QE_KEY_INPUTS && i < b->n_kernel_in; i++)
    key->in[i] = b->in[i].present ? (uint8_t)b->in[i].dtype : QE_DT_NONE;
  if (b->n_out && b->out[0].present) key->out = (uint8_t)b->out[0].dtype;
  key->quantized = b->quantized;
}

bool qe__key_fits(const qe_kernel_key *row, const qe_kernel_key *wanted) {
  if (strcmp(row->op, wanted->op) != 0 || row->quantized != wanted->quantized) return false;
  for (int i = 0; i < QE_KEY_INPUTS; i++) {
    if (row->in[i] != QE_DT_ANY && row->in[i] != wanted->in[i]) return false;
  }
  return row->out == QE_DT_ANY || row->out == wanted->out;
}
