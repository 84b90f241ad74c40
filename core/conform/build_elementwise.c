/* Families that work element by element, with or without broadcasting; normalizations and softmax. */
#include <string.h>

#include "conform/families.h"

qe_status_t qe__build_shape(const qe__built *b, const char *key, uint32_t *rank, int64_t *dims) {
  *rank = qe__case_ints(&b->text, key, QE_MAX_RANK, dims);
  if (qe__case_text(&b->text, key)) return QE_OK;
  return qe__fail(QE_ERROR_INVALID_ARGUMENT, "field %s, a shape such as 2x3x4, is missing", key);
}

static qe_status_t input(qe__built *b, const char *key, qe_dtype_t dtype, qe__fill fill) {
  int64_t dims[QE_MAX_RANK];
  uint32_t rank;
  QE_TRY(qe__build_shape(b, key, &rank, dims));
  return qe__build_in(b, dtype, rank, dims, fill);
}

qe_status_t qe__build_x(qe__built *b) {
  return input(b, "x", qe__case_dtype(&b->text, 0), QE__FILL_DATA);
}

static qe_status_t build_unary(qe__built *b) {
  QE_TRY(qe__build_x(b));
  if (qe__case_text(&b->text, "alpha"))
    QE_TRY(qe__node_set_float(b->node, "alpha", (float)qe__case_real(&b->text, "alpha", 1.0)));
  if (qe__case_text(&b->text, "beta"))
    QE_TRY(qe__node_set_float(b->node, b->text.op == QE__OP_Selu ? "gamma" : "beta",
                              (float)qe__case_real(&b->text, "beta", 1.0)));
  if (b->text.op == QE__OP_Gelu && qe__case_text(&b->text, "mode"))
    QE_TRY(qe__node_set_string(b->node, "approximate", qe__case_text(&b->text, "mode")));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* A bound in the input's type; only the common ones are needed. */
static qe_status_t bound(qe__built *b, const char *key) {
  const qe_dtype_t t = qe__case_dtype(&b->text, 0);
  if (!qe__case_text(&b->text, key)) return qe__build_absent(b);
  const double v = qe__case_real(&b->text, key, 0.0);
  const float f = (float)v;
  const int64_t whole = (int64_t)v;
  QE_TRY(qe__build_in(b, t, 0, NULL, QE__FILL_NONE));
  qe__case_operand *o = &b->in[b->n_in - 1];
  o->constant = true;
  const void *value = t == QE_FLOAT32   ? (const void *)&f
                      : t == QE_FLOAT64 ? (const void *)&v
                                        : (const void *)&whole; /* little-endian integers */
  return qe_tensor_from_data(t, 0, NULL, value, &o->data);
}

static qe_status_t build_clip(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(bound(b, "alpha"));
  QE_TRY(bound(b, "beta"));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_prelu(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(input(b, "y", qe__case_dtype(&b->text, 0), QE__FILL_WEIGHT));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* One type: plain numbers; three: codes. */
static qe_status_t build_binary(qe__built *b) {
  b->quantized = qe__case_dtype_count(&b->text) == 3;
  const bool divides = (b->text.op == QE__OP_Div || b->text.op == QE__OP_Mod) &&
                       qe__case_dtype(&b->text, 0) != QE_FLOAT32 && qe__case_dtype(&b->text, 0) != QE_FLOAT64;
  const qe__fill second = divides || b->text.op == QE__OP_Pow ? QE__FILL_POSITIVE : QE__FILL_DATA;
  QE_TRY(qe__build_x(b));
  if (b->text.op == QE__OP_Pow) b->in[0].fill = QE__FILL_POSITIVE;
  QE_TRY(input(b, qe__case_text(&b->text, "y") ? "y" : "x", qe__case_dtype(&b->text, b->quantized ? 1 : 0), second));
  if (b->text.op == QE__OP_Mod &&
      (qe__case_dtype(&b->text, 0) == QE_FLOAT32 || qe__case_dtype(&b->text, 0) == QE_FLOAT64))
    QE_TRY(qe__node_set_int(b->node, "fmod", 1));
  qe__build_out(b, b->quantized ? qe__case_dtype(&b->text, 2) : QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_variadic(qe__built *b) {
  static const char *const keys[] = {"x", "y", "z"};
  for (int i = 0; i < 3; i++) {
    if (qe__case_text(&b->text, keys[i]) || i == 0)
      QE_TRY(input(b, keys[i], qe__case_dtype(&b->text, 0), QE__FILL_DATA));
  }
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_where(qe__built *b) {
  const qe_dtype_t t = qe__case_dtype(&b->text, 1);
  QE_TRY(qe__build_x(b));
  QE_TRY(input(b, qe__case_text(&b->text, "y") ? "y" : "x", t, QE__FILL_DATA));
  QE_TRY(input(b, qe__case_text(&b->text, "z") ? "z" : "x", t, QE__FILL_DATA));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t channel_inputs(qe__built *b, uint32_t n) {
  const int64_t channels = b->in[0].rank > 1 ? b->in[0].dims[1] : 1;
  for (uint32_t i = 0; i < n; i++) {
    QE_TRY(qe__build_in(b, QE_FLOAT32, 1, &channels, i == 0 || i == 3 ? QE__FILL_POSITIVE : QE__FILL_BIAS));
    b->in[b->n_in - 1].constant = qe__case_int(&b->text, "flag", 1) & 1;
  }
  return QE_OK;
}

static qe_status_t build_batch_norm(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(channel_inputs(b, 4));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_instance_norm(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(channel_inputs(b, 2));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_group_norm(qe__built *b) {
  QE_TRY(build_instance_norm(b));
  return qe__node_set_int(b->node, "num_groups", qe__case_int(&b->text, "g", 1));
}

/* flag: the number of outputs less one. */
static qe_status_t build_layer_norm(qe__built *b) {
  QE_TRY(qe__build_x(b));
  const int64_t rank = b->in[0].rank, axis = qe__case_int(&b->text, "axis", rank - 1),
                outputs = qe__case_int(&b->text, "flag", 0);
  if (axis < 0 || axis >= rank || outputs > 2)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "axis is a dimension of x, flag at most 2");
  QE_TRY(qe__build_in(b, QE_FLOAT32, (uint32_t)(rank - axis), b->in[0].dims + axis, QE__FILL_POSITIVE));
  if (qe__case_int(&b->text, "bias", 1))
    QE_TRY(qe__build_in(b, QE_FLOAT32, (uint32_t)(rank - axis), b->in[0].dims + axis, QE__FILL_BIAS));
  QE_TRY(qe__node_set_int(b->node, "axis", axis));
  for (int64_t i = 0; i <= outputs; i++) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_softmax(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__node_set_int(b->node, "axis", qe__case_int(&b->text, "axis", -1)));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static const qe__axis unary_axes[] = {
    {"x",     "@ 1 3x5 2x3x4x5 2x8x9 4096x2 scalar 1000 0x3"},
    {"mode",  "- tanh"                                      },
    {"alpha", "- - 0.25"                                    },
    {"act",   "- - - clip"                                  },
    {"lay",   "- - cl"                                      },
    {"pat",   "- zero min max ramp edge special"            },
    {NULL,    NULL                                          }
};
static const char *const unary_must[] = {"x=100",         "x=2x3x4x5", "x=17/pat=ramp", "x=64/pat=special",
                                         "x=33/pat=edge", "x=1",       "x=0",           NULL};
static const qe__axis clip_axes[] = {
    {"x",     "@ 3x5 2x3x4x5 1000 0"       },
    {"alpha", "- 2 -3 0"                   },
    {"beta",  "- 5 100 1"                  },
    {"lay",   "- - cl"                     },
    {"pat",   "- min max ramp edge special"},
    {NULL,    NULL                         }
};
static const char *const clip_must[] = {"x=100/alpha=1/beta=3", "x=2x3x4x5/alpha=2", "x=33/beta=3/pat=ramp", "x=9",
                                        NULL};
static const qe__axis prelu_axes[] = {
    {"x",   "2x3x4x5 3x8x7 @x6 5x4"},
    {"y",   "1 3x1x1 8x1 6 4"      },
    {"lay", "- - cl gap"           },
    {"pat", "- ramp edge special"  },
    {NULL,  NULL                   }
};
static const char *const prelu_must[] = {"x=2x3x4x5/y=3x1x1", "x=7x6/y=6", "x=10/y=1/pat=edge", NULL};
static const qe__axis binary_axes[] = {
    {"x",     "@ 1 3x5 2x3x4x5 2x1x9 7x1 4x3x5 scalar"    },
    {"y",     "- - - 1 5 3x1x1 1x3x1x5 9 1x5 scalar 2x8x1"},
    {"sc",    "- - half tiny huge"                        },
    {"zp",    "- lo,lo,lo hi,hi,hi 3,0,5 lo,hi,lo"        },
    {"act",   "- - relu clip"                             },
    {"const", "- - 2 1"                                   },
    {"lay",   "- - cl gap"                                },
    {"pat",   "- - zero min max alt ramp edge special"    },
    {NULL,    NULL                                        }
};
static const char *const binary_must[] = {"x=100",
                                          "x=2x3x4x5",
                                          "x=2x3x4x5/y=3x1x1",
                                          "x=7x1/y=1x9",
                                          "x=4x65/y=scalar",
                                          "x=3x1x5/y=4x1",
                                          "x=200/pat=edge",
                                          "x=64/pat=ramp",
                                          "x=0x4/y=4",
                                          "x=2x3x4x5/lay=gap",
                                          NULL};
static const qe__axis variadic_axes[] = {
    {"x",   "@ 3x5 2x3x4x5 1"        },
    {"y",   "- 5 3x1x1 1 scalar"     },
    {"z",   "- - 1x5 1"              },
    {"act", "- - relu"               },
    {"lay", "- - cl gap"             },
    {"pat", "- min ramp edge special"},
    {NULL,  NULL                     }
};
static const char *const variadic_must[] = {"x=100", "x=3x4/y=4", "x=2x3x4x5/y=3x1x1/z=scalar", NULL};
static const qe__axis where_axes[] = {
    {"x",   "@ 3x5 2x3x4x5 1 7x1"},
    {"y",   "- - 5 3x1x1 scalar" },
    {"z",   "- - 1x5 1"          },
    {"lay", "- - cl gap"         },
    {"pat", "- edge"             },
    {NULL,  NULL                 }
};
static const char *const where_must[] = {"x=50", "x=2x3x4x5/y=5/z=scalar", "x=3x1/y=1x4/z=3x4", NULL};
static const qe__axis norm_axes[] = {
    {"x",    "2x3x4x5 1x@x7 3x8x9 2x16x5x5 1x4x2x3x2 2x6x70"},
    {"flag", "- 0"                                          },
    {"act",  "- - relu clip"                                },
    {"lay",  "- - cl"                                       },
    {"pat",  "- ramp edge zero"                             },
    {NULL,   NULL                                           }
};
static const char *const norm_must[] = {"x=2x3x4x5", "x=1x8x7x7", "x=3x5x40", "x=2x16x6x6/pat=ramp", NULL};
static const qe__axis group_norm_axes[] = {
    {"g",   "1 2 4 8"                           },
    {"x",   "2x8x4x5 1x16x7 3x8x33 2x16x5x5 2x8"},
    {"act", "- - relu"                          },
    {"lay", "- - cl gap"                        },
    {"pat", "- ramp edge"                       },
    {NULL,  NULL                                }
};
static const char *const group_norm_must[] = {"g2/x=2x8x4x5", "g1/x=1x6x7", "g4/x=3x8x33", NULL};
static const qe__axis layer_norm_axes[] = {
    {"x",    "4x@ 2x3x40 7 2x3x4x5 65x9 1x1000"},
    {"axis", "- 0 1 2"                         },
    {"flag", "- 2 1"                           },
    {"bias", "1 0"                             },
    {"act",  "- - relu"                        },
    {"pat",  "- ramp edge"                     },
    {NULL,   NULL                              }
};
static const char *const layer_norm_must[] = {"x=4x33", "x=2x3x40/bias=0", "x=2x3x4x5/axis=2", "x=5x17/flag=2", NULL};
static const qe__axis softmax_axes[] = {
    {"x",    "4x@ 2x3x40 7 2x3x4x5 65x9 1x1000 3x1"},
    {"axis", "- 0 1 2"                             },
    {"act",  "- - - clip"                          },
    {"lay",  "- - cl gap"                          },
    {"pat",  "- ramp edge max onehot zero"         },
    {NULL,   NULL                                  }
};
static const char *const softmax_must[] = {"x=4x33",   "x=2x3x40/axis=1", "x=2x3x4x5/axis=0",
                                           "x=2x1000", "x=5x10/pat=edge", NULL};

const qe__family qe__family_unary = {"x mode alpha beta act const lay pat seed", build_unary, unary_axes, unary_must};
const qe__family qe__family_clip = {"x alpha beta act const lay pat seed", build_clip, clip_axes, clip_must};
const qe__family qe__family_prelu = {"x y const lay pat seed", build_prelu, prelu_axes, prelu_must};
const qe__family qe__family_binary = {"x y sc zp act const lay pat seed", build_binary, binary_axes, binary_must};
const qe__family qe__family_variadic = {"x y z act const lay pat seed", build_variadic, variadic_axes, variadic_must};
const qe__family qe__family_where = {"x y z const lay pat seed", build_where, where_axes, where_must};
const qe__family qe__family_batch_norm = {"x flag act const lay pat seed", build_batch_norm, norm_axes, norm_must};
const qe__family qe__family_instance_norm = {"x flag act const lay pat seed", build_instance_norm, norm_axes,
                                             norm_must};
const qe__family qe__family_group_norm = {"g x flag act const lay pat seed", build_group_norm, group_norm_axes,
                                          group_norm_must};
const qe__family qe__family_layer_norm = {"x axis flag bias act const lay pat seed", build_layer_norm, layer_norm_axes,
                                          layer_norm_must};
const qe__family qe__family_softmax = {"x axis act const lay pat seed", build_softmax, softmax_axes, softmax_must};
