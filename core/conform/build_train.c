/* Families of the training ops that sum over batches and windows: normalizations, weight and pool gradients, losses. */
#include <string.h>

#include "conform/families.h"

static qe_status_t outputs(qe__built *b, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* ---- normalization ---- */

static qe_status_t vectors(qe__built *b, uint32_t n, const qe__fill *fill) {
  if (b->in[0].rank < 2) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "field x has two dimensions or more");
  for (uint32_t i = 0; i < n; i++) QE_TRY(qe__build_in(b, QE_FLOAT32, 1, b->in[0].dims + 1, fill[i]));
  return QE_OK;
}

/* flag: bit 0 a multiplier. */
static qe_status_t build_batch_norm_train(qe__built *b) {
  static const qe__fill fill[] = {QE__FILL_WEIGHT, QE__FILL_DATA, QE__FILL_POSITIVE};
  QE_TRY(qe__build_x(b));
  QE_TRY(vectors(b, qe__case_int(&b->text, "flag", 0) & 1 ? 3 : 2, fill));
  return outputs(b, 3);
}

/* flag: bit 0 a multiplier, bit 1 dx alone. */
static qe_status_t build_batch_norm_grad(qe__built *b) {
  static const qe__fill fill[] = {QE__FILL_WEIGHT, QE__FILL_DATA, QE__FILL_POSITIVE, QE__FILL_POSITIVE};
  const int64_t bits = qe__case_int(&b->text, "flag", 0);
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__build_x(b));
  QE_TRY(vectors(b, bits & 1 ? 4 : 3, fill));
  return outputs(b, bits & 2 ? 1 : bits & 1 ? 4 : 3);
}

/* flag: bit 1 dx alone. */
static qe_status_t build_layer_norm_grad(qe__built *b) {
  const int64_t axis = qe__case_int(&b->text, "axis", -1);
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__build_x(b));
  const uint32_t rank = b->in[0].rank, from = (uint32_t)(axis < 0 ? axis + rank : axis);
  if (from >= rank) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "axis is a dimension of x");
  QE_TRY(qe__build_in(b, QE_FLOAT32, rank - from, b->in[0].dims + from, QE__FILL_WEIGHT));
  QE_TRY(qe__node_set_int(b->node, "axis", axis));
  return outputs(b, qe__case_int(&b->text, "flag", 0) & 2 ? 1 : 3);
}

/* ---- windows: dy has the shape of what the forward op would give ---- */

typedef struct window {
  uint32_t n; /* spatial dimensions */
  int64_t k[3];
  qe__operand_info x, y;
} window;

static qe_status_t read_window(const qe__built *b, int64_t channels, window *w) {
  *w = (window){.x = {.present = true, .dtype = QE_FLOAT32, .dims = {qe__case_int(&b->text, "n", 1), channels}},
                .y = {.present = true}};
  w->n = qe__case_ints(&b->text, "hw", 3, w->x.dims + 2);
  w->x.rank = w->n + 2;
  if (w->n == 0 || qe__case_ints(&b->text, "k", 3, w->k) != w->n)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "fields hw and k have one number per spatial dimension");
  return QE_OK;
}

/* The window's attributes, for the gradient and for the forward op alike. flag as in family pool. */
static qe_status_t attributes(qe__built *b, const window *w, bool average) {
  const int64_t bits = qe__case_int(&b->text, "flag", 0);
  QE_TRY(qe__build_window(b, w->n, w->k));
  if (bits & 1) QE_TRY(qe__node_set_int(b->node, "ceil_mode", 1));
  return bits & 2 && average ? qe__node_set_int(b->node, "count_include_pad", 1) : QE_OK;
}

/* Attributes of the node; w->y from the op that it is the gradient of. */
static qe_status_t apply_window(qe__built *b, const char *forward, const qe__operand_info *weight, window *w) {
  const bool average = b->text.op == QE__OP_AveragePoolGrad;
  qe__operand_info in[2] = {w->x};
  qe__node *grad = b->node, *node = NULL;
  qe_op_params params;
  QE_TRY(attributes(b, w, average));
  QE_TRY(qe__graph_add_node(b->graph, forward, "forward", 0, NULL, 0, NULL, &node));
  b->node = node;
  qe_status_t status = attributes(b, w, average);
  if (status == QE_OK && weight) {
    in[1] = *weight;
    status = qe__node_set_int(node, "group", qe__case_int(&b->text, "g", 1));
  }
  qe__infer_ctx ctx = {.node = node, .n_in = weight ? 2 : 1, .n_out = 1, .in = in, .out = &w->y, .params = &params};
  if (status == QE_OK) status = qe__op_infer(&ctx);
  b->node = grad;
  return status;
}

static qe_status_t build_pool_grad(qe__built *b) {
  const bool average = b->text.op == QE__OP_AveragePoolGrad;
  window w;
  QE_TRY(read_window(b, qe__case_int(&b->text, "c", 1), &w));
  QE_TRY(apply_window(b, average ? "AveragePool" : "MaxPool", NULL, &w));
  QE_TRY(qe__build_in(b, QE_FLOAT32, w.y.rank, w.y.dims, QE__FILL_WEIGHT));
  if (average)
    QE_TRY(qe__node_set_ints(b->node, "shape", w.x.dims, w.x.rank));
  else
    QE_TRY(qe__build_in(b, QE_FLOAT32, w.x.rank, w.x.dims, QE__FILL_DATA));
  return outputs(b, 1);
}

static qe_status_t build_conv_weight_grad(qe__built *b) {
  int64_t c[2];
  const int64_t groups = qe__case_int(&b->text, "g", 1);
  const uint32_t given = qe__case_ints(&b->text, "c", 2, c);
  if (given == 1) c[1] = c[0];
  if (given == 0 || groups < 1 || c[0] % groups != 0 || c[1] % groups != 0)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "field c (channels in > out) must be given, both multiples of the groups (g)");
  window w;
  QE_TRY(read_window(b, c[0], &w));
  qe__operand_info weight = {.present = true, .dtype = QE_FLOAT32, .rank = w.x.rank, .dims = {c[1], c[0] / groups}};
  memcpy(weight.dims + 2, w.k, w.n * sizeof *w.k);
  QE_TRY(apply_window(b, "Conv", &weight, &w));
  QE_TRY(qe__node_set_int(b->node, "group", groups));
  QE_TRY(qe__build_in(b, QE_FLOAT32, w.y.rank, w.y.dims, QE__FILL_WEIGHT));
  QE_TRY(qe__build_in(b, QE_FLOAT32, w.x.rank, w.x.dims, QE__FILL_DATA));
  b->terms = w.y.dims[0];
  for (uint32_t d = 2; d < w.y.rank; d++) b->terms *= w.y.dims[d];
  return outputs(b, 1);
}

/* ---- gather, loss ---- */

/* x: shape of the data, y: of the indices. */
static qe_status_t build_gather_grad(qe__built *b) {
  int64_t x[QE_MAX_RANK], i[QE_MAX_RANK], dy[2 * QE_MAX_RANK];
  uint32_t rank, i_rank, n = 0;
  const int64_t axis = qe__case_int(&b->text, "axis", 0);
  QE_TRY(qe__build_shape(b, "x", &rank, x));
  QE_TRY(qe__build_shape(b, "y", &i_rank, i));
  if (axis < 0 || axis >= rank || rank + i_rank > QE_MAX_RANK + 1)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "axis is a dimension of x, and Gather's result has at most %d", QE_MAX_RANK);
  for (uint32_t d = 0; d < axis; d++) dy[n++] = x[d];
  for (uint32_t d = 0; d < i_rank; d++) dy[n++] = i[d];
  for (uint32_t d = (uint32_t)axis + 1; d < rank; d++) dy[n++] = x[d];
  QE_TRY(qe__build_in(b, QE_FLOAT32, n, dy, QE__FILL_DATA));
  QE_TRY(qe__build_in(b, qe__case_dtype(&b->text, 1), i_rank, i, QE__FILL_INDEX));
  b->in[1].limit = x[axis];
  QE_TRY(qe__node_set_int(b->node, "axis", axis));
  QE_TRY(qe__node_set_ints(b->node, "shape", x, rank));
  return outputs(b, 1);
}

/* alpha: label smoothing; flag: bit 0, label 0 is to be ignored. */
static qe_status_t build_cross_entropy(qe__built *b) {
  const bool grad = b->text.op == QE__OP_SoftmaxCrossEntropyGrad;
  if (grad) QE_TRY(qe__build_in(b, QE_FLOAT32, 0, NULL, QE__FILL_POSITIVE));
  QE_TRY(qe__build_x(b));
  const qe__case_operand *x = &b->in[b->n_in - 1];
  if (x->rank < 1) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "field x has two dimensions or more");
  QE_TRY(qe__build_in(b, qe__case_dtype(&b->text, 1), x->rank - 1, x->dims, QE__FILL_LENGTH));
  b->in[b->n_in - 1].limit = x->dims[x->rank - 1] - 1;
  QE_TRY(qe__node_set_float(b->node, "label_smoothing", (float)qe__case_real(&b->text, "alpha", 0.0)));
  if (qe__case_int(&b->text, "flag", 0) & 1) QE_TRY(qe__node_set_int(b->node, "ignore_index", 0));
  return outputs(b, 1);
}

/* ---- what is tried ---- */

static const qe__axis batch_norm_axes[] = {
    {"x",    "2x3x4x5 3x@ 2x@x7 1x1x1 2x16x3x3 2x3x2x2x2 2x5x300 0x3x4 3x0x2"},
    {"flag", "- 1"                                                           },
    {"act",  "- - relu clip"                                                 },
    {"lay",  "- - cl gap"                                                    },
    {"pat",  "- - zero max ramp edge special"                                },
    {NULL,   NULL                                                            }
};
static const char *const batch_norm_must[] = {"x=2x3x4x5",
                                              "x=3x33x7x2/flag=1",
                                              "x=17x40/flag=1",
                                              "x=2x1x5x5",
                                              "x=1x1x1/flag=1",
                                              "x=3x5x150x150",
                                              "x=0x3x4",
                                              "x=2x64x9/act=relu",
                                              "x=2x7x5/pat=special",
                                              NULL};
static const qe__axis batch_norm_grad_axes[] = {
    {"x",    "2x3x4x5 3x@ 2x@x7 1x1x1 2x16x3x3 2x3x2x2x2 2x5x300 0x3x4 3x0x2"},
    {"flag", "- 1 2 3"                                                       },
    {"lay",  "- - cl gap"                                                    },
    {"pat",  "- - zero max ramp edge special"                                },
    {NULL,   NULL                                                            }
};
static const char *const batch_norm_grad_must[] = {"x=2x3x4x5",     "x=3x33x7x2/flag=1", "x=17x40/flag=1",
                                                   "x=2x1x5x5",     "x=1x1x1/flag=1",    "x=3x5x150x150/flag=1",
                                                   "x=0x3x4/flag=1", "x=2x9x6/flag=3",   "x=2x7x5/pat=special",
                                                   NULL};
static const qe__axis layer_norm_grad_axes[] = {
    {"x",    "3x@ 2x3x4x5 1x1 40x17 5x700 300x3 0x4 3x0"},
    {"axis", "- 0 1"                                    },
    {"flag", "- 2"                                      },
    {"pat",  "- - zero max ramp edge special"           },
    {NULL,   NULL                                       }
};
static const char *const layer_norm_grad_must[] = {"x=5x33",   "x=2x3x4x5/axis=2", "x=3x64", "x=7x900",        "x=70000x3",
                                                   "x=1x1",    "x=0x5",            "x=9x17/flag=2", "x=4x9/pat=special", NULL};
static const qe__axis conv_weight_grad_axes[] = {
    {"n",   "1 2 3"               },
    {"hw",  "5x5 7x4 @x3 9 3x4x5" },
    {"c",   "@>@ 1>1 3>16 24>8 16"},
    {"g",   "- - 2 4 8 16"        },
    {"k",   "1x1 3x3 1x2 3 2x2x2" },
    {"s",   "- 2x2 2 1x2x1"       },
    {"d",   "- - 2x2"             },
    {"p",   "- 1x1 0x1 1 2x2"     },
    {"pe",  "- - 0x1"             },
    {"pat", "- - max ramp special"},
    {NULL,  NULL                  }
};
static const char *const conv_weight_grad_must[] = {"n2/hw7x7/c17>12/k3x3/p1x1",
                                                    "n2/hw9x6/c3>16/k3x3/s2x2/p1x1",
                                                    "n2/hw8x8/c33/g33/k3x3/p1x1",
                                                    "n3/hw6x5/c24>20/k1x1",
                                                    "n1/hw8x8/c12>8/g4/k3x3/d2x2/p2x2",
                                                    "n2/hw7x5/c6>12/g6/k3x3/s2x1/p1x1/pe=0x1",
                                                    "n2/hw30/c5>4/k5/s3",
                                                    "n1/hw4x5x6/c3>2/k2x3x2/p0x1x1",
                                                    "n1/hw70x70/c4>3/k3x3/p1x1",
                                                    "n2/hw65x65/c5/g5/k3x3/p1x1",
                                                    "n1/hw1x1/c1/k1x1",
                                                    "n0/hw5x5/c3>4/k3x3/p1x1",
                                                    "n1/hw6x6/c4/k3x3/p1x1/pat=special",
                                                    "n2/hw8x8/c24/g24/k3x3/p1x1/pat=special",
                                                    "n2/hw9x8/c19/g19/k5x5/p2x2",
                                                    "n2/hw6x2/c8/g8/k5x5/p2x2",
                                                    "n2/hw3x2/c8/g8/k5x6/p2x3",
                                                    "n2/hw10x9/c40/g40/k4x4/s2x1/p1x2",
                                                    "n1/hw9x9/c20/g20/k3x3/d2x2/p2x2",
                                                    "n1/hw3x4x5/c17/g17/k2x3x3/p1x1x1",
                                                    "n2/hw30/c9/g9/k11/p5",
                                                    "n2/hw7x3/c70>60/g10/k3x3/p1x1",
                                                    "n5/hw33x31/c20>50/k1x1/s2x2",
                                                    NULL};
static const qe__axis pool_grad_axes[] = {
    {"n",    "1 2"                      },
    {"hw",   "4x4 7x5 @x3 9 3x4x5"      },
    {"c",    "@ 1 3 16"                 },
    {"k",    "2x2 3x3 1x2 3 2x2x2"      },
    {"s",    "- 2x2 2 1x2x1"            },
    {"d",    "- - 2x2"                  },
    {"p",    "- 1x1 0x1 1"              },
    {"flag", "- 1 2 3"                  },
    {"pat",  "- - zero max edge special"},
    {NULL,   NULL                       }
};
static const char *const pool_grad_must[] = {"n1/hw6x6/c8/k2x2/s2x2",
                                             "n2/hw7x5/c3/k3x3/s2x2/p1x1",
                                             "n1/hw5x5/c33/k3x3/p1x1/flag=2",
                                             "n1/hw7x7/c4/k3x3/s2x2/flag=1",
                                             "n2/hw9/c4/k3",
                                             "n1/hw8x8/c5/k2x2/d2x2/flag=3",
                                             "n1/hw3x4x5/c3/k2x2x3/p1x0x1",
                                             "n2/hw5x7/c1/k5x7",
                                             "n1/hw6x6/c5/k3x3/pat=edge",
                                             "n1/hw6x6/c5/k3x3/pat=zero",
                                             "n0/hw6x6/c5/k2x2",
                                             "n1/hw6x6/c5/k3x3/pat=special",
                                             NULL};
static const qe__axis gather_grad_axes[] = {
    {"x",    "5x4 3x@x7 9 2x3x4x5 50x130"},
    {"y",    "4 2x3 @ scalar 0"          },
    {"axis", "- 1 2"                     },
    {"pat",  "- - ramp special"          },
    {NULL,   NULL                        }
};
static const char *const gather_grad_must[] = {"x=10x33/y=7",        "x=2x5x6/y=2x9/axis=1", "x=4x130/y=50", "x=7/y=scalar",
                                               "x=3x4x5/y=6/axis=2", "x=5x3/y=0",            "x=6x0/y=3",    NULL};
static const qe__axis cross_entropy_axes[] = {
    {"x",     "5x@ 1x1 7x1 2x3x4 0x5 300x3 3x1000"},
    {"alpha", "- 0.1 0.5"                         },
    {"flag",  "- 1"                               },
    {"pat",   "- zero max ramp edge special"      },
    {NULL,    NULL                                }
};
static const char *const cross_entropy_must[] = {"x=5x10",
                                                 "x=9x17/flag=1/alpha=0.1",
                                                 "x=2x3x4/flag=1",
                                                 "x=1x1/flag=1",
                                                 "x=4x1",
                                                 "x=0x5",
                                                 "x=3x1000/alpha=0.2",
                                                 "x=70000x2/flag=1",
                                                 "x=6x9/pat=edge",
                                                 "x=6x9/pat=special",
                                                 NULL};

const qe__family qe__family_batch_norm_train = {"x flag act lay pat seed", build_batch_norm_train, batch_norm_axes,
                                                batch_norm_must};
const qe__family qe__family_batch_norm_grad = {"x flag lay pat seed", build_batch_norm_grad, batch_norm_grad_axes,
                                               batch_norm_grad_must};
const qe__family qe__family_layer_norm_grad = {"x axis flag pat seed", build_layer_norm_grad, layer_norm_grad_axes,
                                               layer_norm_grad_must};
const qe__family qe__family_conv_weight_grad = {"n hw c g k s d p pe pat seed", build_conv_weight_grad,
                                                conv_weight_grad_axes, conv_weight_grad_must};
const qe__family qe__family_pool_grad = {"n hw c k s d p pe flag pat seed", build_pool_grad, pool_grad_axes,
                                         pool_grad_must};
const qe__family qe__family_gather_grad = {"x y axis pat seed", build_gather_grad, gather_grad_axes, gather_grad_must};
const qe__family qe__family_cross_entropy = {"x alpha flag pat seed", build_cross_entropy, cross_entropy_axes,
                                             cross_entropy_must};
