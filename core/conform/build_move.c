/* Families that move elements: joining, cutting, padding, views, permutations, gathering, repeating, resizing. */
#include <string.h>

#include "conform/families.h"

/* Numbers of a field as a constant int64 input; absent field: an absent input. */
static qe_status_t list_input(qe__built *b, const char *key) {
  int64_t v[QE__CASE_VALUES];
  const uint32_t n = qe__case_ints(&b->text, key, QE__CASE_VALUES, v);
  return n ? qe__build_list(b, n, v, false) : qe__build_absent(b);
}

static qe_status_t one_out(qe__built *b) {
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t x_and_out(qe__built *b) {
  QE_TRY(qe__build_x(b));
  return one_out(b);
}

/* to: the sizes of the inputs along the axis. */
static qe_status_t build_concat(qe__built *b) {
  int64_t dims[QE_MAX_RANK], parts[QE__CASE_VALUES];
  uint32_t rank;
  const int64_t axis = qe__case_int(&b->text, "axis", 0);
  const uint32_t n = qe__case_ints(&b->text, "to", QE__CASE_VALUES, parts);
  QE_TRY(qe__build_shape(b, "x", &rank, dims));
  if (n == 0 || axis < 0 || axis >= rank)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                    "field to gives the inputs' sizes along the axis, which is a dimension of x");
  for (uint32_t i = 0; i < n; i++) {
    dims[axis] = parts[i];
    QE_TRY(qe__build_in(b, qe__case_dtype(&b->text, 0), rank, dims, QE__FILL_DATA));
  }
  QE_TRY(qe__node_set_int(b->node, "axis", axis));
  return one_out(b);
}

static qe_status_t build_split(qe__built *b) {
  int64_t parts[QE__CASE_VALUES];
  const uint32_t n = qe__case_ints(&b->text, "to", QE__CASE_VALUES, parts);
  if (n == 0 || n > QE__CASE_OUT)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "field to gives 1 to %d sizes", QE__CASE_OUT);
  QE_TRY(qe__build_x(b));
  QE_TRY(list_input(b, "to"));
  QE_TRY(qe__node_set_int(b->node, "axis", qe__case_int(&b->text, "axis", 0)));
  for (uint32_t i = 0; i < n; i++) QE_TRY(one_out(b));
  return QE_OK;
}

static qe_status_t build_slice(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(list_input(b, "from"));
  QE_TRY(list_input(b, "end"));
  QE_TRY(list_input(b, "axes"));
  QE_TRY(list_input(b, "step"));
  return one_out(b);
}

static qe_status_t build_pad(qe__built *b) {
  int64_t pads[2 * QE__CASE_VALUES];
  QE_TRY(qe__build_x(b));
  const uint32_t n = qe__case_ints(&b->text, "from", QE__CASE_VALUES, pads);
  if (qe__case_ints(&b->text, "end", QE__CASE_VALUES, pads + n) != n)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "fields from and end have one pad per dimension of x");
  QE_TRY(qe__build_list(b, 2 * n, pads, false));
  if (qe__case_text(&b->text, "alpha")) {
    const float f = (float)qe__case_real(&b->text, "alpha", 0.0);
    const int64_t whole = (int64_t)f;
    const qe_dtype_t t = qe__case_dtype(&b->text, 0);
    QE_TRY(qe__build_in(b, t, 0, NULL, QE__FILL_NONE));
    b->in[b->n_in - 1].constant = true;
    QE_TRY(qe_tensor_from_data(t, 0, NULL, t == QE_FLOAT32 ? (const void *)&f : (const void *)&whole,
                               &b->in[b->n_in - 1].data));
  }
  if (qe__case_text(&b->text, "mode")) QE_TRY(qe__node_set_string(b->node, "mode", qe__case_text(&b->text, "mode")));
  return one_out(b);
}

static qe_status_t build_to(qe__built *b) { /* Reshape, Expand, Tile: the second input is `to` */
  QE_TRY(qe__build_x(b));
  QE_TRY(list_input(b, "to"));
  return one_out(b);
}

static qe_status_t build_axes(qe__built *b) { /* Squeeze, Unsqueeze */
  QE_TRY(qe__build_x(b));
  QE_TRY(list_input(b, "axes"));
  return one_out(b);
}

static qe_status_t build_flatten(qe__built *b) {
  QE_TRY(qe__node_set_int(b->node, "axis", qe__case_int(&b->text, "axis", 1)));
  return x_and_out(b);
}

static qe_status_t build_transpose(qe__built *b) {
  int64_t perm[QE_MAX_RANK];
  const uint32_t n = qe__case_ints(&b->text, "perm", QE_MAX_RANK, perm);
  if (n) QE_TRY(qe__node_set_ints(b->node, "perm", perm, n));
  return x_and_out(b);
}

static qe_status_t indexed(qe__built *b) {
  int64_t dims[QE_MAX_RANK];
  uint32_t rank;
  const int64_t axis = qe__case_int(&b->text, "axis", 0);
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__build_shape(b, "y", &rank, dims));
  QE_TRY(qe__build_in(b, qe__case_dtype(&b->text, 1), rank, dims, QE__FILL_INDEX));
  b->in[1].limit = axis >= 0 && axis < b->in[0].rank ? b->in[0].dims[axis] : 1;
  if (b->in[1].limit == 0 && b->in[1].count > 0)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "there is nothing that an index could point at");
  QE_TRY(qe__node_set_int(b->node, "axis", axis));
  return one_out(b);
}

/* to: sizes. Scales follow from them. */
static qe_status_t build_resize(qe__built *b) {
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__build_absent(b));
  QE_TRY(qe__build_absent(b));
  QE_TRY(list_input(b, "to"));
  if (qe__case_text(&b->text, "mode")) QE_TRY(qe__node_set_string(b->node, "mode", qe__case_text(&b->text, "mode")));
  if (qe__case_text(&b->text, "coord"))
    QE_TRY(qe__node_set_string(b->node, "coordinate_transformation_mode", qe__case_text(&b->text, "coord")));
  if (qe__case_text(&b->text, "near"))
    QE_TRY(qe__node_set_string(b->node, "nearest_mode", qe__case_text(&b->text, "near")));
  return one_out(b);
}

static qe_status_t build_blocks(qe__built *b) {
  QE_TRY(qe__node_set_int(b->node, "blocksize", qe__case_int(&b->text, "k", 2)));
  if (qe__case_is(&b->text, "mode", "crd")) QE_TRY(qe__node_set_string(b->node, "mode", "CRD"));
  return x_and_out(b);
}

static qe_status_t build_trilu(qe__built *b) {
  QE_TRY(qe__build_x(b));
  if (qe__case_text(&b->text, "from"))
    QE_TRY(qe__build_list(b, 1, &(int64_t){qe__case_int(&b->text, "from", 0)}, true));
  QE_TRY(qe__node_set_int(b->node, "upper", qe__case_int(&b->text, "flag", 1) & 1));
  return one_out(b);
}

static const qe__axis concat_axes[] = {
    {"x",    "1x4 3x5x2 2x3x4x5 @x3 7"             },
    {"axis", "- 1 2"                               },
    {"to",   "1 2,3 @,1 4,0,2 1,1,1,1,1 16,16 17,3"},
    {"lay",  "- - cl gap"                          },
    {NULL,   NULL                                  }
};
static const char *const concat_must[] = {"x=2x3x4/axis=1/to=2,3", "x=2x3x4x5/axis=1/to=8,3,5", "x=7/to=3,0,4",
                                          "x=2x3x4x5/axis=3/to=1,6/lay=gap", NULL};
static const qe__axis split_axes[] = {
    {"x",    "12x4 4x12x5 2x12x3x5 12"         },
    {"axis", "- 1"                             },
    {"to",   "12 6,6 5,7 1,11 0,12 4,4,4 1,2,9"},
    {"lay",  "- - cl gap"                      },
    {NULL,   NULL                              }
};
static const char *const split_must[] = {"x=4x12x5/axis=1/to=5,7", "x=12/to=4,4,4", "x=2x12x3x5/axis=1/to=1,3,8", NULL};
static const qe__axis slice_axes[] = {
    {"x",    "12 5x7 3x8x6 2x8x4x5 @x3"},
    {"axes", "- 0 1 -1"                },
    {"from", "0 1 -3 2 5"              },
    {"end",  "4 100 -1 -100 0"         },
    {"step", "- 2 -1 -2 3"             },
    {"lay",  "- - cl gap"              },
    {NULL,   NULL                      }
};
static const char *const slice_must[] = {"x=5x7/axes=1/from=1/end=6", "x=12/from=-1/end=-100/step=-2",
                                         "x=2x8x4x5/axes=1,3/from=2,0/end=7,4", "x=6/from=4/end=2", NULL};
static const qe__axis pad_axes[] = {
    {"x",     "4x5 3x6 2x7 @x4"    },
    {"from",  "0,0 1,2 0,3 -1,1"   },
    {"end",   "0,0 2,1 0,3 1,-1"   },
    {"mode",  "- reflect edge wrap"},
    {"alpha", "- - 3"              },
    {"lay",   "- - gap"            },
    {NULL,    NULL                 }
};
static const char *const pad_must[] = {"x=4x5/from=1,2/end=0,3",           "x=4x5/from=1,2/end=0,3/mode=reflect",
                                       "x=4x5/from=1,0/end=2,3/mode=edge", "x=2x3x4x5/from=0,0,1,1/end=0,0,1,1/alpha=2",
                                       "x=5x5/from=-1,0/end=0,-2",         NULL};
static const qe__axis reshape_axes[] = {
    {"x",  "12 3x4 2x6 1x12x1 0x3"    },
    {"to", "12 3,4 -1 2,-1 2,3,2 0,-1"},
    {NULL, NULL                       }
};
static const char *const reshape_must[] = {"x=3x4/to=2,6", "x=2x3x4/to=-1", NULL};
static const qe__axis flatten_axes[] = {
    {"x",    "12 3x4 2x3x4x5 0x3"},
    {"axis", "- 0 2 -1"          },
    {NULL,   NULL                }
};
static const char *const flatten_must[] = {"x=2x3x4x5", "x=3x4/axis=0", NULL};
static const qe__axis squeeze_axes[] = {
    {"x",    "1x4 3x1x2 1x1x1 5"},
    {"axes", "- 0 1"            },
    {NULL,   NULL               }
};
static const char *const squeeze_must[] = {"x=1x4x1", "x=3x1x2/axes=1", NULL};
static const qe__axis unsqueeze_axes[] = {
    {"x",    "4 3x2 scalar"},
    {"axes", "0 1 0,1 -1"  },
    {NULL,   NULL          }
};
static const char *const unsqueeze_must[] = {"x=4/axes=0", "x=3x2/axes=1,3", NULL};
static const qe__axis view_axes[] = {
    {"x",  "@ 3x4 2x3x4x5 scalar 0x3 5000"},
    {NULL, NULL                           }
};
static const char *const view_must[] = {"x=100", "x=2x3x4x5", NULL};
static const qe__axis transpose_axes[] = {
    {"x",    "5x7 3x4x5 2x3x4x5 2x1x3x4 @x6 33x65"      },
    {"perm", "- 1,0 0,2,1 2,0,1 0,2,3,1 0,3,1,2 3,2,1,0"},
    {"lay",  "- - cl gap"                               },
    {NULL,   NULL                                       }
};
static const char *const transpose_must[] = {"x=5x7", "x=2x3x4x5/perm=0,2,3,1", "x=33x65/perm=1,0",
                                             "x=3x4x5/perm=2,0,1/lay=gap", NULL};
static const qe__axis gather_axes[] = {
    {"x",     "7 5x4 3x6x2 2x5x4x3 @x5"},
    {"y",     "scalar 3 2x4 1 0"       },
    {"axis",  "- 1"                    },
    {"const", "- - 2"                  },
    {NULL,    NULL                     }
};
static const char *const gather_must[] = {"x=7x4/y=3", "x=5x6x2/y=2x3/axis=1", "x=9/y=scalar", NULL};
static const qe__axis gather_elements_axes[] = {
    {"x",    "7 5x4 6x6 3x6x2"    },
    {"y",    "3 2x4 5x4 3x6x2 6x6"},
    {"axis", "- 1"                },
    {"lay",  "- - gap"            },
    {NULL,   NULL                 }
};
static const char *const gather_elements_must[] = {"x=7x4/y=3x4", "x=5x6x2/y=5x3x2/axis=1", NULL};
static const qe__axis resize_axes[] = {
    {"x",     "1x2x4x5 2x3x7x6 1x8x3x3 1x1x1x1"                                   },
    {"to",    "1,2,8,10 2,3,3,3 1,8,7,5 1,2,4,5 1,1,3,2 2,3,14,12 1,8,1,1"        },
    {"mode",  "- linear"                                                          },
    {"coord", "- asymmetric align_corners pytorch_half_pixel half_pixel_symmetric"},
    {"near",  "- round_prefer_ceil floor ceil"                                    },
    {"lay",   "- - cl gap"                                                        },
    {"pat",   "- ramp edge"                                                       },
    {NULL,    NULL                                                                }
};
static const char *const resize_must[] = {"x=1x2x4x5/to=1,2,8,10", "x=1x3x4x5/to=1,3,7,3/mode=linear",
                                          "x=1x3x6x6/to=1,3,3,3/coord=asymmetric/near=floor",
                                          "x=1x2x4x4/to=1,2,7,7/mode=linear/coord=align_corners", NULL};
static const qe__axis expand_axes[] = {
    {"x",   "1 5 3x1 1x5 2x1x4 scalar"},
    {"to",  "5 3,5 2,3,5 2,3,4 1,1,1" },
    {"lay", "- - gap"                 },
    {NULL,  NULL                      }
};
static const char *const expand_must[] = {"x=3x1/to=2,3,4", "x=scalar/to=3,5", NULL};
static const qe__axis tile_axes[] = {
    {"x",   "5 3x4 2x3x5 @x2"    },
    {"to",  "3 2,3 1,2,2 0,2 4,1"},
    {"lay", "- - gap"            },
    {NULL,  NULL                 }
};
static const char *const tile_must[] = {"x=3x4/to=2,3", "x=5/to=3", "x=2x3x5/to=1,2,2", NULL};
static const qe__axis blocks_axes[] = {
    {"k",    "1 2 3"                           },
    {"x",    "1x4x6x6 2x36x6x6 1x8x2x4 1x9x3x3"},
    {"mode", "- crd"                           },
    {"lay",  "- - cl gap"                      },
    {NULL,   NULL                              }
};
static const char *const blocks_must[] = {"k2/x=1x8x4x6", "k3/x=2x9x3x3", "k2/x=1x12x2x2/lay=gap", NULL};
static const qe__axis trilu_axes[] = {
    {"x",    "4x4 5x7 2x6x3 @x9"},
    {"from", "- 1 -1 3 -9"      },
    {"flag", "- 0"              },
    {"lay",  "- - gap"          },
    {NULL,   NULL               }
};
static const char *const trilu_must[] = {"x=5x7", "x=2x6x3/from=1/flag=0", NULL};

const qe__family qe__family_concat = {"x axis to const lay pat seed", build_concat, concat_axes, concat_must};
const qe__family qe__family_split = {"x axis to lay pat seed", build_split, split_axes, split_must};
const qe__family qe__family_slice = {"x axes from end step lay pat seed", build_slice, slice_axes, slice_must};
const qe__family qe__family_pad = {"x from end mode alpha lay pat seed", build_pad, pad_axes, pad_must};
const qe__family qe__family_reshape = {"x to pat seed", build_to, reshape_axes, reshape_must};
const qe__family qe__family_flatten = {"x axis pat seed", build_flatten, flatten_axes, flatten_must};
const qe__family qe__family_squeeze = {"x axes pat seed", build_axes, squeeze_axes, squeeze_must};
const qe__family qe__family_unsqueeze = {"x axes pat seed", build_axes, unsqueeze_axes, unsqueeze_must};
const qe__family qe__family_view = {"x pat seed", x_and_out, view_axes, view_must};
const qe__family qe__family_transpose = {"x perm lay pat seed", build_transpose, transpose_axes, transpose_must};
const qe__family qe__family_gather = {"x y axis const lay pat seed", indexed, gather_axes, gather_must};
const qe__family qe__family_gather_elements = {"x y axis const lay pat seed", indexed, gather_elements_axes,
                                               gather_elements_must};
const qe__family qe__family_resize = {"x to mode coord near lay pat seed", build_resize, resize_axes, resize_must};
const qe__family qe__family_expand = {"x to lay pat seed", build_to, expand_axes, expand_must};
const qe__family qe__family_tile = {"x to lay pat seed", build_to, tile_axes, tile_must};
const qe__family qe__family_blocks = {"k x mode lay pat seed", build_blocks, blocks_axes, blocks_must};
const qe__family qe__family_trilu = {"x from flag lay pat seed", build_trilu, trilu_axes, trilu_must};
