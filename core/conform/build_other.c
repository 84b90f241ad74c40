/* Families of pooling, reductions, types, constants, and quantization. */
#include <string.h>

#include "conform/families.h"

static qe_status_t one_out(qe__built *b, qe_dtype_t dtype) {
  qe__build_out(b, dtype);
  return QE_OK;
}

/* flag: bit 0 ceil_mode, bit 1 count_include_pad, bit 2 indices wanted (MaxPool). */
static qe_status_t build_pool(qe__built *b) {
  int64_t k[3], x[5], hw[3];
  const uint32_t n = qe__case_ints(&b->text, "hw", 3, hw);
  const int64_t bits = qe__case_int(&b->text, "flag", 0);
  if (n == 0 || qe__case_ints(&b->text, "k", 3, k) != n)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "fields hw and k have one number per spatial dimension");
  x[0] = qe__case_int(&b->text, "n", 1);
  x[1] = qe__case_int(&b->text, "c", 1);
  memcpy(x + 2, hw, n * sizeof *hw);
  QE_TRY(qe__build_in(b, qe__case_dtype(&b->text, 0), n + 2, x, QE__FILL_DATA));
  QE_TRY(qe__build_window(b, n, k));
  if (bits & 1) QE_TRY(qe__node_set_int(b->node, "ceil_mode", 1));
  if (bits & 2 && b->text.op == QE__OP_AveragePool) QE_TRY(qe__node_set_int(b->node, "count_include_pad", 1));
  b->quantized = qe__case_dtype_count(&b->text) == 2;
  qe__build_out(b, b->quantized ? qe__case_dtype(&b->text, 1) : QE_DTYPE_NONE);
  if (bits & 4 && b->text.op == QE__OP_MaxPool) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t x_maybe_codes(qe__built *b) {
  QE_TRY(qe__build_x(b));
  b->quantized = qe__case_dtype_count(&b->text) == 2;
  return one_out(b, b->quantized ? qe__case_dtype(&b->text, 1) : QE_DTYPE_NONE);
}

static qe_status_t build_global_pool(qe__built *b) {
  return x_maybe_codes(b);
}

/* flag: bit 0 keepdims. */
static qe_status_t build_reduce(qe__built *b) {
  int64_t axes[QE_MAX_RANK];
  const uint32_t n = qe__case_ints(&b->text, "axes", QE_MAX_RANK, axes);
  QE_TRY(x_maybe_codes(b));
  if (b->text.op == QE__OP_ReduceProd) b->in[0].fill = QE__FILL_POSITIVE;
  if (n) QE_TRY(qe__build_list(b, n, axes, false));
  return qe__node_set_int(b->node, "keepdims", qe__case_int(&b->text, "flag", 1) & 1);
}

/* flag: bit 0 keepdims, bit 1 select_last_index. */
static qe_status_t build_arg(qe__built *b) {
  const int64_t bits = qe__case_int(&b->text, "flag", 1);
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__node_set_int(b->node, "axis", qe__case_int(&b->text, "axis", 0)));
  QE_TRY(qe__node_set_int(b->node, "keepdims", bits & 1));
  QE_TRY(qe__node_set_int(b->node, "select_last_index", bits >> 1 & 1));
  return one_out(b, QE_DTYPE_NONE);
}

/* flag: bit 0 exclusive, bit 1 reverse. */
static qe_status_t build_cumsum(qe__built *b) {
  const int64_t bits = qe__case_int(&b->text, "flag", 0), axis = qe__case_int(&b->text, "axis", 0);
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__build_list(b, 1, &axis, true));
  QE_TRY(qe__node_set_int(b->node, "exclusive", bits & 1));
  QE_TRY(qe__node_set_int(b->node, "reverse", bits >> 1 & 1));
  return one_out(b, QE_DTYPE_NONE);
}

static qe_status_t build_cast(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__node_set_int(b->node, "to", (int64_t)qe__case_dtype(&b->text, 1)));
  return one_out(b, QE_DTYPE_NONE);
}

static qe_status_t scalar_of(qe_dtype_t t, double v, qe_tensor_t **out) {
  const float f = (float)v;
  const int64_t whole = (int64_t)v; /* the leading bytes of a little-endian integer are the smaller integer */
  return qe_tensor_from_data(t, 0, NULL,
                             t == QE_FLOAT32   ? (const void *)&f
                             : t == QE_FLOAT64 ? (const void *)&v
                                               : (const void *)&whole,
                             out);
}

static qe_status_t build_constant_of_shape(qe__built *b) {
  int64_t dims[QE_MAX_RANK];
  uint32_t rank;
  qe_tensor_t *value = NULL;
  QE_TRY(qe__build_shape(b, "x", &rank, dims));
  QE_TRY(qe__build_list(b, rank, dims, false));
  QE_TRY(scalar_of(qe__case_dtype(&b->text, 0), qe__case_real(&b->text, "alpha", 1.0), &value));
  const int64_t one = 1;
  qe_tensor_t *vector = NULL;
  qe_status_t status = qe__tensor_reshape(value, 1, &one, &vector);
  if (status == QE_OK) status = qe__node_set_tensor(b->node, "value", vector);
  qe_tensor_release(&value);
  qe_tensor_release(&vector);
  QE_TRY(status);
  return one_out(b, QE_DTYPE_NONE);
}

static qe_status_t constant_scalar(qe__built *b, qe_dtype_t t, double v) {
  QE_TRY(qe__build_in(b, t, 0, NULL, QE__FILL_NONE));
  b->in[b->n_in - 1].constant = true;
  return scalar_of(t, v, &b->in[b->n_in - 1].data);
}

static qe_status_t build_range(qe__built *b) {
  const qe_dtype_t t = qe__case_dtype(&b->text, 0);
  QE_TRY(constant_scalar(b, t, (double)qe__case_int(&b->text, "from", 0)));
  QE_TRY(constant_scalar(b, t, (double)qe__case_int(&b->text, "end", 10)));
  QE_TRY(constant_scalar(b, t, (double)qe__case_int(&b->text, "step", 1)));
  return one_out(b, QE_DTYPE_NONE);
}

static qe_status_t build_one_hot(qe__built *b) {
  const qe_dtype_t indices = qe__case_dtype(&b->text, 0);
  const int64_t depth = qe__case_int(&b->text, "k", 5), two = 2;
  int64_t dims[QE_MAX_RANK];
  uint32_t rank;
  QE_TRY(qe__build_shape(b, "x", &rank, dims));
  QE_TRY(qe__build_in(b, indices, rank, dims, indices == QE_FLOAT32 ? QE__FILL_LENGTH : QE__FILL_INDEX));
  b->in[0].limit = depth;
  QE_TRY(constant_scalar(b, QE_INT64, (double)depth));
  QE_TRY(qe__build_in(b, qe__case_dtype(&b->text, 1), 1, &two, QE__FILL_DATA));
  QE_TRY(qe__node_set_int(b->node, "axis", qe__case_int(&b->text, "axis", -1)));
  return one_out(b, QE_DTYPE_NONE);
}

/* flag 0: constant parameters; 1: computed ones, as inputs; 3: without a zero point. */
static qe_status_t computed(qe__built *b, qe_dtype_t codes) {
  const int64_t bits = qe__case_int(&b->text, "flag", 0), axis = qe__case_int(&b->text, "axis", 0);
  const bool channels = qe__case_is(&b->text, "gran", "c");
  if (axis < 0 || (b->in[0].rank > 0 && axis >= b->in[0].rank))
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "axis is a dimension of x");
  QE_TRY(qe__node_set_int(b->node, "axis", axis));
  b->quantized = !(bits & 1);
  if (b->quantized) return QE_OK;
  QE_TRY(qe__build_in(b, QE_FLOAT32, channels ? 1 : 0, b->in[0].dims + axis, QE__FILL_POSITIVE));
  return bits & 2 ? QE_OK : qe__build_in(b, codes, channels ? 1 : 0, b->in[0].dims + axis, QE__FILL_DATA);
}

static qe_status_t build_quantize(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(computed(b, qe__case_dtype(&b->text, 1)));
  if (!b->quantized) QE_TRY(qe__node_set_int(b->node, "output_dtype", (int64_t)qe__case_dtype(&b->text, 1)));
  return one_out(b, b->quantized ? qe__case_dtype(&b->text, 1) : QE_DTYPE_NONE);
}

static qe_status_t build_dequantize(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(computed(b, qe__case_dtype(&b->text, 0)));
  return one_out(b, QE_DTYPE_NONE);
}

static qe_status_t build_dynamic_quantize(qe__built *b) {
  QE_TRY(qe__build_x(b));
  for (int i = 0; i < 3; i++) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_lookup(qe__built *b) {
  const int64_t n = 256;
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__build_in(b, qe__case_dtype(&b->text, 1), 1, &n, QE__FILL_TABLE));
  b->in[1].constant = true;
  return one_out(b, qe__case_dtype(&b->text, 1));
}

static qe_status_t build_plain(qe__built *b) {
  QE_TRY(qe__build_x(b));
  return one_out(b, QE_DTYPE_NONE);
}

static const qe__axis pool_axes[] = {
    {"n",    "1 2"                },
    {"hw",   "4x4 7x5 @x3 9 3x4x5"},
    {"c",    "@ 1 3 16"           },
    {"k",    "2x2 3x3 1x2 3 2x2x2"},
    {"s",    "- 2x2 2 1x2x1"      },
    {"d",    "- - 2x2"            },
    {"p",    "- 1x1 0x1 1"        },
    {"flag", "- 1 2 3 4"          },
    {"sc",   "- - half"           },
    {"zp",   "- - lo,lo hi,hi"    },
    {"act",  "- - relu"           },
    {"lay",  "- - cl gap"         },
    {"pat",  "- min max ramp edge"},
    {NULL,   NULL                 }
};
static const char *const pool_must[] = {"n1/hw6x6/c8/k2x2/s2x2",
                                        "n2/hw7x5/c3/k3x3/s2x2/p1x1",
                                        "n1/hw5x5/c17/k3x3/p1x1/flag=2",
                                        "n1/hw7x7/c4/k3x3/s2x2/flag=1",
                                        "n1/hw9/c4/k3",
                                        "n1/hw6x6/c5/k2x2/pat=edge",
                                        NULL};
static const qe__axis global_pool_axes[] = {
    {"x",   "2x3x4x5 1x@x7 1x16x9x9 3x8x2x2x2 1x1x1 2x5x300"},
    {"sc",  "- - half"                                      },
    {"zp",  "- - lo,lo hi,hi"                               },
    {"act", "- - relu"                                      },
    {"lay", "- - cl gap"                                    },
    {"pat", "- min max ramp edge"                           },
    {NULL,  NULL                                            }
};
static const char *const global_pool_must[] = {"x=2x3x4x5", "x=1x17x7x7", "x=2x8x30", NULL};
static const qe__axis reduce_axes[] = {
    {"x",    "7 5x4 2x3x@ 2x3x4x5 300x3 3x300 1x1"},
    {"axes", "- 0 1 -1 0,1 2,3 0,2,3"             },
    {"flag", "- 0"                                },
    {"sc",   "- - half"                           },
    {"zp",   "- - lo,lo hi,hi"                    },
    {"act",  "- - - relu"                         },
    {"lay",  "- - cl gap"                         },
    {"pat",  "- min max ramp edge"                },
    {NULL,   NULL                                 }
};
static const char *const reduce_must[] = {"x=5x40/axes=1",
                                          "x=2x3x4x5/axes=2,3",
                                          "x=2x3x4x5/axes=0/flag=0",
                                          "x=100",
                                          "x=6x17/axes=0",
                                          "x=2x3x4x5/axes=0,2,3/lay=cl",
                                          "x=3x24x7x5/axes=0,2,3/lay=cl",
                                          "x=2x43x9/axes=0,2/lay=cl",
                                          "x=67x40/axes=0/flag=0",
                                          NULL};
static const qe__axis arg_axes[] = {
    {"x",    "7 5x4 2x3x@ 2x3x4x5 300x3"},
    {"axis", "- 1 -1"                   },
    {"flag", "- 0 2 3"                  },
    {"lay",  "- - cl gap"               },
    {"pat",  "- zero ramp edge alt"     },
    {NULL,   NULL                       }
};
static const char *const arg_must[] = {"x=5x40/axis=1", "x=2x3x4x5/axis=2/flag=3", "x=33/pat=alt", NULL};
static const qe__axis cumsum_axes[] = {
    {"x",    "7 5x4 2x3x@ 2x3x4x5 300x3"},
    {"axis", "- 1 -1"                   },
    {"flag", "- 1 2 3"                  },
    {"lay",  "- - cl gap"               },
    {"pat",  "- ramp edge"              },
    {NULL,   NULL                       }
};
static const char *const cumsum_must[] = {"x=5x40/axis=1", "x=2x3x4x5/axis=2/flag=3", NULL};
static const qe__axis cast_axes[] = {
    {"x",   "@ 3x5 2x3x4x5 1000 scalar"       },
    {"lay", "- - cl"                          },
    {"pat", "- zero min max ramp edge special"},
    {NULL,  NULL                              }
};
static const char *const cast_must[] = {"x=100", "x=2x3x4x5", "x=64/pat=special", "x=50/pat=edge", NULL};
static const qe__axis constant_axes[] = {
    {"x",     "7 3x4 2x3x4 0x2 5000"},
    {"alpha", "- 0 1 3"             },
    {NULL,    NULL                  }
};
static const char *const constant_must[] = {"x=3x4/alpha=1", "x=0x2", NULL};
static const qe__axis range_axes[] = {
    {"from", "- 3 -5"    },
    {"end",  "- 7 100 -9"},
    {"step", "- 3 -2"    },
    {NULL,   NULL        }
};
static const char *const range_must[] = {"from=0/end=10", "from=10/end=-3/step=-4", NULL};
static const qe__axis one_hot_axes[] = {
    {"k",    "1 5 33"            },
    {"x",    "7 3x4 scalar 2x3x4"},
    {"axis", "- 0 1"             },
    {"lay",  "- - gap"           },
    {NULL,   NULL                }
};
static const char *const one_hot_must[] = {"k5/x=7", "k3/x=2x4/axis=0", NULL};
static const qe__axis quantize_axes[] = {
    {"x",    "@ 3x5 2x3x4x5 1000 0x3 9x7"      },
    {"axis", "- 1"                             },
    {"flag", "- 1 3"                           },
    {"gran", "t c"                             },
    {"sc",   "- - half pow2 tiny huge"         },
    {"zp",   "- lo hi 3"                       },
    {"lay",  "- - cl gap"                      },
    {"pat",  "- zero min max ramp edge special"},
    {NULL,   NULL                              }
};
static const char *const quantize_must[] = {"x=100",
                                            "x=2x3x4x5/axis=1/gran=c",
                                            "x=64/pat=special",
                                            "x=300/sc=half/pat=edge",
                                            "x=50/flag=1",
                                            "x=64/sc=nan",
                                            "x=64/sc=inf",
                                            "x=64/sc=neg",
                                            "x=64/sc=zero",
                                            "x=64/sc=zprange",
                                            NULL};
static const char *const dequantize_must[] = {"x=100", "x=2x3x4x5/axis=1/gran=c", "x=300/pat=ramp", "x=50/flag=1",
                                              NULL};
static const qe__axis dynamic_axes[] = {
    {"x",   "@ 3x5 2x3x4x5 1000 1"           },
    {"lay", "- - cl"                         },
    {"pat", "- zero min max ramp edge sparse"},
    {NULL,  NULL                             }
};
static const char *const dynamic_must[] = {"x=100", "x=2x3x4x5", "x=64/pat=zero", "x=64/pat=max", NULL};
static const qe__axis lookup_axes[] = {
    {"x",   "@ 3x5 2x3x4x5 1000"},
    {"lay", "- - cl"            },
    {"pat", "- min max ramp"    },
    {NULL,  NULL                }
};
static const char *const lookup_must[] = {"x=300/pat=ramp", "x=2x3x4x5", NULL};
static const qe__axis relayout_axes[] = {
    {"x",   "@ 3x5 2x3x4x5 2x16x3x3 1x3x5 2x3x2x2x2 0x2x3"},
    {"lay", "- cl gap"                                    },
    {NULL,  NULL                                          }
};
static const char *const relayout_must[] = {"x=2x3x4x5/lay=cl", "x=2x3x9x15/lay=cl", "x=1x4x5x7/lay=cl",
                                            "x=2x3x4x5",        "x=1x17x5/lay=gap",  NULL};
static const qe__axis no_axes[] = {
    {NULL, NULL}
};
static const char *const no_must[] = {NULL};

const qe__family qe__family_pool = {"n hw c k s d p pe flag sc zp act lay pat seed", build_pool, pool_axes, pool_must};
const qe__family qe__family_global_pool = {"x sc zp act lay pat seed", build_global_pool, global_pool_axes,
                                           global_pool_must};
const qe__family qe__family_reduce = {"x axes flag sc zp act lay pat seed", build_reduce, reduce_axes, reduce_must};
const qe__family qe__family_arg = {"x axis flag lay pat seed", build_arg, arg_axes, arg_must};
const qe__family qe__family_cumsum = {"x axis flag lay pat seed", build_cumsum, cumsum_axes, cumsum_must};
const qe__family qe__family_cast = {"x lay pat seed", build_cast, cast_axes, cast_must};
const qe__family qe__family_constant_of_shape = {"x alpha seed", build_constant_of_shape, constant_axes, constant_must};
const qe__family qe__family_range = {"from end step seed", build_range, range_axes, range_must};
const qe__family qe__family_one_hot = {"k x axis lay pat seed", build_one_hot, one_hot_axes, one_hot_must};
const qe__family qe__family_quantize = {"x axis flag gran sc zp lay pat seed", build_quantize, quantize_axes,
                                        quantize_must};
const qe__family qe__family_dequantize = {"x axis flag gran sc zp lay pat seed", build_dequantize, quantize_axes,
                                          dequantize_must};
const qe__family qe__family_dynamic_quantize = {"x lay pat seed", build_dynamic_quantize, dynamic_axes, dynamic_must};
const qe__family qe__family_lookup = {"x lay pat seed", build_lookup, lookup_axes, lookup_must};
const qe__family qe__family_relayout = {"x lay pat seed", build_plain, relayout_axes, relayout_must};
const qe__family qe__family_no_kernel = {"", NULL, no_axes, no_must};
