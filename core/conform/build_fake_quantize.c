/* Families of training ops that work element by element or over whole tensors: fake quantization, optimizers, dropout. */
#include <string.h>

#include "conform/families.h"

/* Another input of the first one's shape. */
static qe_status_t like_x(qe__built *b, qe__fill fill) {
  return qe__build_in(b, QE_FLOAT32, b->in[0].rank, b->in[0].dims, fill);
}

static qe_status_t values(qe__built *b, int64_t n, const float *v) {
  QE_TRY(qe__build_in(b, QE_FLOAT32, 1, &n, QE__FILL_NONE));
  return qe_tensor_from_data(QE_FLOAT32, 1, &n, v, &b->in[b->n_in - 1].data);
}

static qe_status_t set_real(qe__built *b, const char *field, const char *attribute) {
  if (!qe__case_text(&b->text, field)) return QE_OK;
  return qe__node_set_float(b->node, attribute, (float)qe__case_real(&b->text, field, 0.0));
}

static qe_status_t set_int(qe__built *b, const char *field, const char *attribute) {
  if (!qe__case_text(&b->text, field)) return QE_OK;
  return qe__node_set_int(b->node, attribute, qe__case_int(&b->text, field, 0));
}

/* alpha, beta: the bounds. */
static qe_status_t build_clip_grad(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(like_x(b, QE__FILL_WEIGHT));
  QE_TRY(set_real(b, "alpha", "min"));
  QE_TRY(set_real(b, "beta", "max"));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* alpha: the ratio; from: the stream. */
static qe_status_t build_random_dropout(qe__built *b) {
  const int64_t two = 2;
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__build_in(b, QE_INT64, 1, &two, QE__FILL_TABLE));
  QE_TRY(set_real(b, "alpha", "ratio"));
  QE_TRY(set_int(b, "from", "stream"));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* from, end: the range of codes; alpha: one scale for all, so that ties are common. */
static qe_status_t quantizer(qe__built *b) {
  const int64_t axis = qe__case_int(&b->text, "axis", -1), rank = b->in[0].rank;
  if (axis < -1 || axis >= rank) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "axis is -1 or a dimension of x");
  const int64_t channels = axis < 0 ? 1 : b->in[0].dims[axis];
  QE_TRY(qe__build_in(b, QE_FLOAT32, 1, &channels, QE__FILL_POSITIVE));
  if (qe__case_text(&b->text, "alpha")) {
    qe_tensor_t **scales = &b->in[b->n_in - 1].data;
    QE_TRY(qe_tensor_create(QE_FLOAT32, 1, &channels, scales));
    for (int64_t i = 0; i < channels; i++) ((float *)(*scales)->data)[i] = (float)qe__case_real(&b->text, "alpha", 1.0);
  }
  QE_TRY(qe__build_in(b, QE_FLOAT32, 1, &channels, QE__FILL_LENGTH));
  b->in[b->n_in - 1].limit = qe__case_int(&b->text, "end", 255);
  QE_TRY(qe__node_set_int(b->node, "axis", axis));
  QE_TRY(set_int(b, "from", "quant_min"));
  return set_int(b, "end", "quant_max");
}

static qe_status_t build_fake_quantize(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(quantizer(b));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* flag: the number of outputs less one; beta: grad_factor. */
static qe_status_t build_fake_quantize_grad(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(like_x(b, QE__FILL_WEIGHT));
  QE_TRY(quantizer(b));
  QE_TRY(set_real(b, "beta", "grad_factor"));
  const int64_t more = qe__case_int(&b->text, "flag", 2);
  if (more > 2) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "flag is at most 2");
  for (int64_t i = 0; i <= more; i++) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_min_max(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(set_int(b, "axis", "axis"));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* n channels; alpha: the averaging constant; from, end: the range of codes; flag 1: symmetric. */
static qe_status_t build_moving_average_qparams(qe__built *b) {
  const int64_t dims[2] = {2, qe__case_int(&b->text, "n", 1)};
  QE_TRY(qe__build_in(b, QE_FLOAT32, 2, dims, QE__FILL_DATA));
  QE_TRY(like_x(b, QE__FILL_WEIGHT));
  QE_TRY(set_real(b, "alpha", "averaging_constant"));
  QE_TRY(set_int(b, "from", "quant_min"));
  QE_TRY(set_int(b, "end", "quant_max"));
  QE_TRY(set_int(b, "flag", "symmetric"));
  for (int i = 0; i < 3; i++) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* flag 1: Nesterov. */
static qe_status_t build_sgd_update(qe__built *b) {
  static const float hyper[4] = {0.07f, 0.9f, 0.013f, 0.6f};
  QE_TRY(qe__build_x(b));
  QE_TRY(like_x(b, QE__FILL_WEIGHT));
  QE_TRY(like_x(b, QE__FILL_DATA));
  QE_TRY(values(b, 4, hyper));
  QE_TRY(set_int(b, "flag", "nesterov"));
  for (int i = 0; i < 2; i++) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_adam_update(qe__built *b) {
  static const float hyper[8] = {0.011f, 0.9f, 0.997f, 1e-6f, 0.02f, 0.7f, 0.3f, 0.001f};
  QE_TRY(qe__build_x(b));
  QE_TRY(like_x(b, QE__FILL_WEIGHT));
  QE_TRY(like_x(b, QE__FILL_DATA));
  QE_TRY(like_x(b, QE__FILL_POSITIVE));
  QE_TRY(values(b, 8, hyper));
  for (int i = 0; i < 3; i++) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

#define SHAPES "@ 1 3x5 2x3x4x5 2x8x9 4096x2 scalar 1000 0x3 2x70x3x3 3x30000"

static const qe__axis clip_grad_axes[] = {
    {"x",     SHAPES                            },
    {"alpha", "- 0 -3"                          },
    {"beta",  "- 6 3"                           },
    {"lay",   "- - cl gap"                      },
    {"pat",   "- zero min max ramp edge special"},
    {NULL,    NULL                              }
};
static const char *const clip_grad_must[] = {"x=100/alpha=0", "x=2x3x4x5/alpha=0/beta=6/pat=edge", "x=64/beta=3/pat=special", "x=0", NULL};
static const qe__axis random_dropout_axes[] = {
    {"x",     SHAPES          },
    {"from",  "- 3 1000000"   },
    {"alpha", "- 0 0.1 0.9"   },
    {"pat",   "- edge special"},
    {NULL,    NULL            }
};
static const char *const random_dropout_must[] = {"x=1000", "x=2x3x4x5/from=7/alpha=0.3", "x=77/alpha=0", "x=0", NULL};
static const qe__axis fake_quantize_axes[] = {
    {"x",     "@ 1 3x5 2x3x4x5 2x8x9 40x65 1000 0x3 2x70x3x3 3x2x4x1x2 3x300 3x30000"},
    {"axis",  "- - 0 1 2"                                                            },
    {"from",  "- -8 -128 -127"                                                       },
    {"end",   "- 7 127 15"                                                           },
    {"alpha", "- - 0.5 0.015625"                                                     },
    {"lay",   "- - cl gap"                                                           },
    {"pat",   "- zero min max ramp edge special"                                     },
    {NULL,    NULL                                                                   }
};
static const char *const fake_quantize_must[] = {"x=100/pat=edge",
                                                 "x=2x3x4x5/axis=1/from=-8/end=7/pat=edge",
                                                 "x=9x33/axis=0/from=-128/end=127",
                                                 "x=64/end=15/alpha=0.5/pat=edge",
                                                 "x=300/alpha=0.015625/pat=ramp",
                                                 "x=77/pat=special",
                                                 "x=0",
                                                 NULL};
static const qe__axis fake_quantize_grad_axes[] = {
    {"x",     "@ 1 3x5 2x3x4x5 2x8x9 40x65 1000 0x3 2x70x3x3 3x2x4x1x2 3x300 70000"},
    {"axis",  "- - 0 1 2"                                                          },
    {"from",  "- -8 -128 -127"                                                     },
    {"end",   "- 7 127 15"                                                         },
    {"alpha", "- - 0.5 0.015625"                                                   },
    {"beta",  "- 0.1"                                                              },
    {"flag",  "- 0 1"                                                              },
    {"lay",   "- - cl gap"                                                         },
    {"pat",   "- zero min max ramp edge special"                                   },
    {NULL,    NULL                                                                 }
};
static const char *const fake_quantize_grad_must[] = {"x=100/pat=edge",
                                                      "x=2x3x4x5/axis=1/from=-8/end=7/beta=0.1/pat=edge",
                                                      "x=9x33/axis=0/from=-128/end=127",
                                                      "x=64/end=15/flag=0/alpha=0.5/pat=edge",
                                                      "x=70000/end=15/alpha=0.5",
                                                      "x=77/pat=special",
                                                      "x=0",
                                                      NULL};
static const qe__axis min_max_axes[] = {
    {"x",    SHAPES " 3x200 2x5x1x1 0 3x0x2"          },
    {"axis", "- - 0 1 2"                              },
    {"lay",  "- - cl gap"                             },
    {"pat",  "- zero min max ramp edge special sparse"},
    {NULL,   NULL                                     }
};
static const char *const min_max_must[] = {"x=1000", "x=2x3x4x5/axis=1", "x=9x33/axis=0", "x=5x70/axis=1/pat=edge", "x=77/pat=special",
                                           "x=0", NULL};
static const qe__axis moving_average_qparams_axes[] = {
    {"n",     "@ 1 70 0"                        },
    {"from",  "- -128 -127"                     },
    {"end",   "- 127"                           },
    {"flag",  "- 1"                             },
    {"alpha", "- 0.01 0.5"                      },
    {"pat",   "- zero min max ramp edge special"},
    {NULL,    NULL                              }
};
static const char *const moving_average_qparams_must[] = {"n1/alpha=0.01", "n33/from=-127/end=127/flag=1", "n16/pat=edge", "n0", NULL};
static const qe__axis sgd_update_axes[] = {
    {"x",    SHAPES                            },
    {"flag", "- 1"                             },
    {"lay",  "- - cl gap"                      },
    {"pat",  "- zero min max ramp edge special"},
    {NULL,   NULL                              }
};
static const char *const sgd_update_must[] = {"x=1000", "x=2x3x4x5/flag=1", "x=77/pat=special", "x=0", NULL};
static const qe__axis adam_update_axes[] = {
    {"x",   SHAPES                            },
    {"lay", "- - cl gap"                      },
    {"pat", "- zero min max ramp edge special"},
    {NULL,  NULL                              }
};
static const char *const adam_update_must[] = {"x=1000", "x=2x3x4x5", "x=77/pat=special", "x=0", NULL};

const qe__family qe__family_clip_grad = {"x alpha beta lay pat seed", build_clip_grad, clip_grad_axes, clip_grad_must};
const qe__family qe__family_random_dropout = {"x from alpha pat seed", build_random_dropout, random_dropout_axes, random_dropout_must};
const qe__family qe__family_fake_quantize = {"x axis from end alpha lay pat seed", build_fake_quantize, fake_quantize_axes,
                                             fake_quantize_must};
const qe__family qe__family_fake_quantize_grad = {"x axis from end flag alpha beta lay pat seed", build_fake_quantize_grad,
                                                  fake_quantize_grad_axes, fake_quantize_grad_must};
const qe__family qe__family_min_max = {"x axis lay pat seed", build_min_max, min_max_axes, min_max_must};
const qe__family qe__family_moving_average_qparams = {"n from end flag alpha pat seed", build_moving_average_qparams,
                                                      moving_average_qparams_axes, moving_average_qparams_must};
const qe__family qe__family_sgd_update = {"x flag lay pat seed", build_sgd_update, sgd_update_axes, sgd_update_must};
const qe__family qe__family_adam_update = {"x lay pat seed", build_adam_update, adam_update_axes, adam_update_must};
