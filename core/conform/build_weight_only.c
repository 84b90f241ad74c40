/* Families of ops whose weights alone are codes: MatMulNBits, Embedding, EmbeddingBag. */
#include <string.h>

#include "conform/families.h"

/* Inputs that are constant unless field `const` says otherwise. */
static void constants(qe__built *b, int64_t usual) {
  const int64_t bits = qe__case_int(&b->text, "const", usual);
  for (uint32_t i = 0; i < b->n_in; i++) b->in[i].constant = (bits >> i & 1) != 0;
}

static qe_status_t optional(qe__built *b, bool there, qe_dtype_t dtype, int64_t n, qe__fill fill) {
  return there ? qe__build_in(b, dtype, 1, &n, fill) : qe__build_absent(b);
}

/* The type (u4, u8) is that of the weight's codes. g: block size; flag: 1 packed zero points, 2 those of float32. */
static qe_status_t build_matmul_nbits(qe__built *b) {
  const int64_t n = qe__case_int(&b->text, "n", 1), k = qe__case_int(&b->text, "k", 1),
                block = qe__case_int(&b->text, "g", 32), zero = qe__case_int(&b->text, "flag", 0),
                bits = qe__case_dtype(&b->text, 0) == QE_UINT4 ? 4 : 8;
  int64_t a[QE_MAX_RANK];
  uint32_t rank = qe__case_ints(&b->text, "b", 4, a);
  if (k < 1 || block < 1 || n < 1) return qe__fail(QE_ERROR_INVALID_ARGUMENT, "n, k and g are at least 1");
  const int64_t blocks = (k + block - 1) / block, w[3] = {n, blocks, block * bits / 8},
                packed = n * ((blocks * bits + 7) / 8);
  if (!qe__case_is(&b->text, "mode", "vec")) a[rank++] = qe__case_int(&b->text, "m", 1);
  a[rank++] = k;
  b->macs = n;
  for (uint32_t i = 0; i < rank; i++) b->macs *= a[i];
  QE_TRY(qe__build_in(b, QE_FLOAT32, rank, a, QE__FILL_DATA));
  QE_TRY(qe__build_in(b, QE_UINT8, 3, w, QE__FILL_WEIGHT));
  QE_TRY(optional(b, true, QE_FLOAT32, n * blocks, QE__FILL_POSITIVE));
  QE_TRY(optional(b, zero != 0, zero == 2 ? QE_FLOAT32 : QE_UINT8, zero == 2 ? n * blocks : packed, QE__FILL_TABLE));
  if (qe__case_int(&b->text, "bias", 0)) {
    QE_TRY(qe__build_absent(b));
    QE_TRY(optional(b, true, QE_FLOAT32, n, QE__FILL_BIAS));
  }
  constants(b, 0x2e);
  QE_TRY(qe__node_set_int(b->node, "K", k));
  QE_TRY(qe__node_set_int(b->node, "N", n));
  QE_TRY(qe__node_set_int(b->node, "bits", bits));
  QE_TRY(qe__node_set_int(b->node, "block_size", block));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* Table and indices. */
static qe_status_t lookup(qe__built *b, uint32_t rank, const int64_t *dims) {
  QE_TRY(qe__build_x(b));
  QE_TRY(qe__build_in(b, qe__case_dtype(&b->text, 1), rank, dims, QE__FILL_INDEX));
  b->in[1].limit = b->in[0].rank > 0 ? b->in[0].dims[0] : 0;
  if (b->in[1].limit == 0 && b->in[1].count > 0)
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "there is no row that an index could point at");
  return QE_OK;
}

/* flag: 1 offsets of the rows. */
static qe_status_t build_embedding(qe__built *b) {
  int64_t dims[QE_MAX_RANK];
  uint32_t rank;
  QE_TRY(qe__build_shape(b, "y", &rank, dims));
  QE_TRY(lookup(b, rank, dims));
  QE_TRY(optional(b, true, QE_FLOAT32, b->in[0].dims[0], QE__FILL_POSITIVE));
  if (qe__case_int(&b->text, "flag", 0)) QE_TRY(optional(b, true, QE_FLOAT32, b->in[0].dims[0], QE__FILL_TABLE));
  constants(b, 0xd);
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* Where bags begin: ascending from 0, some of them empty. */
static qe_status_t bag_offsets(qe__built *b, int64_t count, int64_t bags, int64_t indices) {
  const qe_dtype_t t = qe__case_dtype(&b->text, 2);
  uint64_t state = (uint64_t)(bags * 131 + indices); /* not the seed: variants of a case have the same offsets */
  QE_TRY(qe__build_in(b, t, 1, &count, QE__FILL_NONE));
  qe__case_operand *o = &b->in[b->n_in - 1];
  QE_TRY(qe_tensor_create(t, 1, &count, &o->data));
  for (int64_t i = 0, at = 0; i < count; i++) {
    const int64_t v = i >= bags ? indices : at;
    if (t == QE_INT64) ((int64_t *)o->data->data)[i] = v;
    else ((int32_t *)o->data->data)[i] = (int32_t)v;
    at += qe__random_int(&state, 0, 2 * (indices - at) / (bags - i > 0 ? bags - i : 1));
    at = at > indices ? indices : at;
  }
  return QE_OK;
}

/* m bags of n indices; flag: 1 offsets of the rows, 2 weights, 4 include_last_offset, 8 a padding row. */
static qe_status_t build_embedding_bag(qe__built *b) {
  const int64_t bits = qe__case_int(&b->text, "flag", 0), bags = qe__case_int(&b->text, "m", 1),
                n = qe__case_int(&b->text, "n", 1), last = (bits & 4) != 0;
  const bool codes = qe__case_dtype(&b->text, 0) != QE_FLOAT32;
  QE_TRY(lookup(b, 1, &n));
  QE_TRY(bag_offsets(b, bags + last, bags, n));
  QE_TRY(optional(b, codes, QE_FLOAT32, b->in[0].dims[0], QE__FILL_POSITIVE));
  QE_TRY(optional(b, codes && bits & 1, QE_FLOAT32, b->in[0].dims[0], QE__FILL_TABLE));
  QE_TRY(optional(b, bits & 2, QE_FLOAT32, n, QE__FILL_TABLE));
  constants(b, 0x19);
  if (last) QE_TRY(qe__node_set_int(b->node, "include_last_offset", 1));
  if (bits & 8) QE_TRY(qe__node_set_int(b->node, "padding_idx", b->in[0].dims[0] / 2));
  if (qe__case_text(&b->text, "mode")) QE_TRY(qe__node_set_string(b->node, "mode", qe__case_text(&b->text, "mode")));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static const qe__axis matmul_nbits_axes[] = {
    {"m",     "@ 0 1 2 19 33"               },
    {"n",     "@ 1 37 65"                   },
    {"g",     "32 16 64 128 256"            },
    {"k",     "@ 1 32 64 129 300 4100"      },
    {"b",     "- - 2 2x3"                   },
    {"mode",  "- - vec"                     },
    {"flag",  "- 1 2"                       },
    {"bias",  "- 1"                         },
    {"act",   "- - relu clip"               },
    {"const", "- - - 0"                     },
    {"pat",   "- ramp edge special min max" },
    {NULL,    NULL                          }
};
static const char *const matmul_nbits_must[] = {"m1/n33/g32/k128/flag=1",
                                                "m5/n17/g16/k70/flag=2/bias=1/act=relu",
                                                "m40/n64/g64/k200",
                                                "m1/n300/g128/k4200/flag=1/bias=1",
                                                "m2/n9/g32/k95/b=2",
                                                "n12/g16/k20/mode=vec",
                                                "m1/n1/g16/k1",
                                                "m0/n4/g32/k32",
                                                "m2/n5/g8192/k5000/flag=1",
                                                NULL};
static const qe__axis embedding_axes[] = {
    {"x",     "5x4 7x@ 3x1 9x33 2x257 6x0"},
    {"y",     "scalar 3 2x4 1 0 40"       },
    {"flag",  "- 1"                       },
    {"act",   "- - relu clip"             },
    {"const", "- - 0 2"                   },
    {"pat",   "- edge min max"            },
    {NULL,    NULL                        }
};
static const char *const embedding_must[] = {"x=7x16/y=3", "x=9x33/y=2x5/flag=1", "x=3x257/y=scalar/flag=1",
                                             "x=5x7/y=40/flag=1/act=relu", "x=4x8/y=0", NULL};
static const qe__axis embedding_bag_axes[] = {
    {"m",     "1 3 8 0"                   },
    {"n",     "1 7 40 0"                  },
    {"x",     "5x4 7x@ 3x1 9x33 2x257 6x0"},
    {"mode",  "- mean max"                },
    {"flag",  "- 1 2 3 4 8 15 5 9"        },
    {"act",   "- - relu clip"             },
    {"const", "- - 0 6"                   },
    {"pat",   "- edge special min"        },
    {NULL,    NULL                        }
};
static const char *const embedding_bag_must[] = {"m3/n12/x=7x16",
                                                 "m4/n20/x=9x33/flag=15",
                                                 "m5/n9/x=5x65/mode=mean/flag=9",
                                                 "m2/n15/x=6x7/mode=max/flag=5",
                                                 "m1/n40/x=3x257/flag=3/act=clip",
                                                 "m3/n0/x=4x8",
                                                 NULL};

const qe__family qe__family_matmul_nbits = {"m n g k b mode flag bias act const pat seed", build_matmul_nbits,
                                            matmul_nbits_axes, matmul_nbits_must};
const qe__family qe__family_embedding = {"x y flag act const pat seed", build_embedding, embedding_axes,
                                         embedding_must};
const qe__family qe__family_embedding_bag = {"m n x mode flag act const pat seed", build_embedding_bag,
                                             embedding_bag_axes, embedding_bag_must};
