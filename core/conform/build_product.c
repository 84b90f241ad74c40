/* Families of products: convolutions, matrix products, and their integer kin. */
#include <string.h>

#include "conform/case.h"
#include "conform/families.h"

/* Up to three numbers per spatial dimension; absent: the fallback. */
static bool spatial(const qe__built *b, const char *key, uint32_t n, int64_t fallback, int64_t *out) {
  const uint32_t found = qe__case_ints(&b->text, key, 3, out);
  for (uint32_t i = 0; found == 0 && i < n; i++) out[i] = fallback;
  return found == 0 || found == n;
}

qe_status_t qe__build_window(qe__built *b, uint32_t n, const int64_t *kernel) {
  int64_t s[3], d[3], pads[6], end[3];
  if (!spatial(b, "s", n, 1, s) || !spatial(b, "d", n, 1, d) || !spatial(b, "p", n, 0, pads)) {
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "fields s, d and p have one number per spatial dimension (%u)",
                    (unsigned)n);
  }
  memcpy(end, pads, sizeof end);
  if (qe__case_text(&b->text, "pe") && !spatial(b, "pe", n, 0, end))
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "field pe has one number per spatial dimension (%u)", (unsigned)n);
  memcpy(pads + n, end, n * sizeof *end);
  QE_TRY(qe__node_set_ints(b->node, "kernel_shape", kernel, n));
  QE_TRY(qe__node_set_ints(b->node, "strides", s, n));
  QE_TRY(qe__node_set_ints(b->node, "dilations", d, n));
  return qe__node_set_ints(b->node, "pads", pads, 2 * (size_t)n);
}

/* x, w and (bias) of the types that the case names. The output: none given means the first type. */
static qe_status_t types(qe__built *b, qe_dtype_t *x, qe_dtype_t *w, qe_dtype_t *bias, qe_dtype_t *y) {
  const uint32_t n = qe__case_dtype_count(&b->text);
  *x = qe__case_dtype(&b->text, 0);
  *w = n > 1 ? qe__case_dtype(&b->text, 1) : *x;
  *y = n > 2 ? qe__case_dtype(&b->text, 2) : *x;
  b->quantized = n > 2;
  *bias = b->quantized ? (*y == QE_FLOAT32 ? QE_FLOAT32 : QE_INT32) : *x;
  return n == 1 || n == 3
             ? QE_OK
             : qe__fail(QE_ERROR_INVALID_ARGUMENT, "one type, or three (x, w, y) for codes, were expected");
}

static qe_status_t channels(const qe__built *b, int64_t *c, int64_t *g) {
  const uint32_t n = qe__case_ints(&b->text, "c", 2, c);
  *g = qe__case_int(&b->text, "g", 1);
  if (n == 1) c[1] = c[0];
  if (n >= 1 && *g >= 1 && c[0] % *g == 0 && c[1] % *g == 0) return QE_OK;
  return qe__fail(QE_ERROR_INVALID_ARGUMENT,
                  "field c (channels in > out) must be given, both multiples of the groups (g)");
}

/* dims of x and w, attributes of the window; c as given. */
static qe_status_t conv_shapes(qe__built *b, int64_t *x, int64_t *w, uint32_t *rank, bool transposed) {
  int64_t c[2], g, hw[3], k[3] = {1, 1, 1};
  const uint32_t n = qe__case_ints(&b->text, "hw", 3, hw);
  QE_TRY(channels(b, c, &g));
  if (n == 0 || !spatial(b, "k", n, 1, k))
    return qe__fail(QE_ERROR_INVALID_ARGUMENT, "field hw must be given, and k has one number per spatial dimension");
  *rank = n + 2;
  x[0] = qe__case_int(&b->text, "n", 1);
  x[1] = c[0];
  w[0] = transposed ? c[0] : c[1];
  w[1] = (transposed ? c[1] : c[0]) / g;
  b->terms = transposed ? c[0] / g : w[1];
  for (uint32_t i = 0; i < n; i++) {
    x[2 + i] = hw[i];
    w[2 + i] = k[i];
    b->terms *= k[i];
  }
  QE_TRY(qe__node_set_int(b->node, "group", g));
  return qe__build_window(b, n, k);
}

static qe_status_t conv(qe__built *b, bool transposed) {
  int64_t x[5], w[5];
  uint32_t rank;
  qe_dtype_t tx, tw, tb, ty;
  QE_TRY(types(b, &tx, &tw, &tb, &ty));
  QE_TRY(conv_shapes(b, x, w, &rank, transposed));
  QE_TRY(qe__build_in(b, tx, rank, x, QE__FILL_DATA));
  QE_TRY(qe__build_in(b, tw, rank, w, QE__FILL_WEIGHT));
  b->in[1].constant = qe__case_int(&b->text, "const", 3) & 2;
  if (qe__case_int(&b->text, "bias", 1)) {
    const int64_t n = transposed ? w[1] * qe__case_int(&b->text, "g", 1) : w[0];
    QE_TRY(qe__build_in(b, tb, 1, &n, QE__FILL_BIAS));
    b->in[2].constant = true;
  }
  qe__build_out(b, b->quantized ? ty : QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_conv(qe__built *b) {
  return conv(b, false);
}

static qe_status_t build_conv_transpose(qe__built *b) {
  int64_t extra[3];
  const uint32_t n = qe__case_ints(&b->text, "op", 3, extra);
  if (n) QE_TRY(qe__node_set_ints(b->node, "output_padding", extra, n));
  return conv(b, true);
}

static qe_status_t build_conv_integer(qe__built *b) {
  int64_t x[5], w[5];
  uint32_t rank;
  const qe_dtype_t tx = qe__case_dtype(&b->text, 0), tw = qe__case_dtype(&b->text, 1);
  QE_TRY(conv_shapes(b, x, w, &rank, false));
  QE_TRY(qe__build_in(b, tx, rank, x, QE__FILL_DATA));
  QE_TRY(qe__build_in(b, tw, rank, w, QE__FILL_WEIGHT));
  b->in[1].constant = true;
  const int64_t bits = qe__case_int(&b->text, "flag", 3);
  if (bits & 3) {
    if (bits & 1)
      QE_TRY(qe__build_in(b, tx, 0, NULL, QE__FILL_DATA));
    else
      QE_TRY(qe__build_absent(b));
    if (bits & 2) QE_TRY(qe__build_in(b, tw, 0, NULL, QE__FILL_DATA));
  }
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t build_gemm(qe__built *b) {
  qe_dtype_t ta, tb, tc, ty;
  const int64_t m = qe__case_int(&b->text, "m", 1), n = qe__case_int(&b->text, "n", 1),
                k = qe__case_int(&b->text, "k", 1);
  const int64_t trans = qe__case_int(&b->text, "trans", 0), bias = qe__case_int(&b->text, "bias", 1);
  const int64_t a[2] = {trans & 1 ? k : m, trans & 1 ? m : k}, w[2] = {trans & 2 ? n : k, trans & 2 ? k : n};
  QE_TRY(types(b, &ta, &tb, &tc, &ty));
  QE_TRY(qe__build_in(b, ta, 2, a, QE__FILL_DATA));
  QE_TRY(qe__build_in(b, tb, 2, w, QE__FILL_WEIGHT));
  b->in[1].constant = qe__case_int(&b->text, "const", 3) & 2;
  b->terms = k > 0 ? k : 1;
  if (bias) { /* 1: per column, 2: whole, 3: per row */
    const int64_t column[1] = {n}, whole[2] = {m, n}, row[2] = {m, 1};
    QE_TRY(qe__build_in(b, tc, bias == 1 ? 1 : 2, bias == 1 ? column : bias == 2 ? whole : row, QE__FILL_BIAS));
    b->in[2].constant = bias == 1;
  }
  QE_TRY(qe__node_set_int(b->node, "transA", trans & 1));
  QE_TRY(qe__node_set_int(b->node, "transB", trans >> 1 & 1));
  if (qe__case_text(&b->text, "alpha"))
    QE_TRY(qe__node_set_float(b->node, "alpha", (float)qe__case_real(&b->text, "alpha", 1.0)));
  if (qe__case_text(&b->text, "beta"))
    QE_TRY(qe__node_set_float(b->node, "beta", (float)qe__case_real(&b->text, "beta", 1.0)));
  qe__build_out(b, b->quantized ? ty : QE_DTYPE_NONE);
  return QE_OK;
}

/* Leading dimensions b of both operands; mode: "both", or only "a" (b broadcasts), or "vec" (a is a vector). */
static qe_status_t matmul_operands(qe__built *b, qe_dtype_t ta, qe_dtype_t tb) {
  const int64_t m = qe__case_int(&b->text, "m", 1), n = qe__case_int(&b->text, "n", 1),
                k = qe__case_int(&b->text, "k", 1);
  int64_t lead[QE_MAX_RANK], a[QE_MAX_RANK], w[QE_MAX_RANK];
  uint32_t rank = qe__case_ints(&b->text, "b", 4, lead), ra = 0, rw = 0;
  for (uint32_t i = 0; i < rank; i++) {
    a[ra++] = lead[i];
    if (!qe__case_is(&b->text, "mode", "a")) w[rw++] = lead[i];
  }
  if (!qe__case_is(&b->text, "mode", "vec"))
    a[ra++] = m;
  else
    ra = 0;
  a[ra++] = k;
  const bool turned = rw == 0 && (qe__case_int(&b->text, "trans", 0) & 2);
  w[rw++] = turned ? n : k;
  w[rw++] = turned ? k : n;
  b->terms = k > 0 ? k : 1;
  QE_TRY(qe__build_in(b, ta, ra, a, QE__FILL_DATA));
  QE_TRY(qe__build_in(b, tb, rw, w, QE__FILL_WEIGHT));
  b->in[1].constant = qe__case_int(&b->text, "const", rw == 2 ? 2 : 0) & 2;
  return QE_OK;
}

static qe_status_t build_matmul(qe__built *b) {
  qe_dtype_t ta, tb, tc, ty;
  QE_TRY(types(b, &ta, &tb, &tc, &ty));
  QE_TRY(matmul_operands(b, ta, tb));
  if (qe__case_int(&b->text, "bias", 0)) {
    const int64_t n = qe__case_int(&b->text, "n", 1);
    QE_TRY(qe__build_in(b, tc, 1, &n, QE__FILL_BIAS));
    b->in[2].constant = true;
  }
  qe__build_out(b, b->quantized ? ty : QE_DTYPE_NONE);
  return QE_OK;
}

/* Zero points: flag bit 0 of a, bit 1 of b, bit 2: one per row / column. */
static qe_status_t build_matmul_integer(qe__built *b) {
  const qe_dtype_t ta = qe__case_dtype(&b->text, 0), tb = qe__case_dtype(&b->text, 1);
  const int64_t bits = qe__case_int(&b->text, "flag", 3), rows = qe__case_int(&b->text, "m", 1),
                columns = qe__case_int(&b->text, "n", 1);
  const uint32_t rank = bits & 4 ? 1 : 0;
  QE_TRY(matmul_operands(b, ta, tb));
  if (bits & 3) {
    if (bits & 1)
      QE_TRY(qe__build_in(b, ta, rank, &rows, QE__FILL_DATA));
    else
      QE_TRY(qe__build_absent(b));
    if (bits & 2) QE_TRY(qe__build_in(b, tb, rank, &columns, QE__FILL_DATA));
  }
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

/* Zero points as above, but a has one; bit 2: scales and zero points per column. */
static qe_status_t build_matmul_to_float(qe__built *b) {
  const qe_dtype_t ta = qe__case_dtype(&b->text, 0), tb = qe__case_dtype(&b->text, 1);
  const int64_t bits = qe__case_int(&b->text, "flag", 3), columns = qe__case_int(&b->text, "n", 1);
  const uint32_t rank = bits & 4 ? 1 : 0;
  QE_TRY(matmul_operands(b, ta, tb));
  QE_TRY(qe__build_in(b, QE_FLOAT32, 0, NULL, QE__FILL_POSITIVE));
  QE_TRY(qe__build_in(b, QE_FLOAT32, rank, &columns, QE__FILL_POSITIVE));
  QE_TRY(bits & 1 ? qe__build_in(b, ta, 0, NULL, QE__FILL_DATA) : qe__build_absent(b));
  QE_TRY(bits & 2 ? qe__build_in(b, tb, rank, &columns, QE__FILL_DATA) : qe__build_absent(b));
  if (qe__case_int(&b->text, "bias", 1)) QE_TRY(qe__build_in(b, QE_FLOAT32, 1, &columns, QE__FILL_BIAS));
  if (qe__case_int(&b->text, "trans", 0) & 2) QE_TRY(qe__node_set_int(b->node, "transB", 1));
  qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static const qe__axis conv_axes[] = {
    {"n",     "1 2 3"                                                },
    {"hw",    "1x1 7x7 8x5 @x4 13x3 5 17 4x3x5"                      },
    {"c",     "@>@ @>1 1>@ 3>8 16>16 6>4 64>12"                      },
    {"g",     "- - 2 @ 3"                                            },
    {"k",     "1x1 3x3 3x1 5x5 2x2 3 1 3x2x2"                        },
    {"s",     "- 2x2 1x3 2 2x1x2"                                    },
    {"d",     "- 2x2 1x2 3 1x2x1"                                    },
    {"p",     "- 1x1 2x2 0x1 2 1 1x0x1"                              },
    {"pe",    "- - 0x0 2x1"                                          },
    {"bias",  "1 0"                                                  },
    {"gran",  "t c"                                                  },
    {"sc",    "- - half pow2 tiny huge"                              },
    {"zp",    "- lo,lo,lo hi,hi,lo 3,0,5 lo,hi,hi"                   },
    {"act",   "- - relu relu6 clip"                                  },
    {"const", "- - 0"                                                },
    {"pat",   "- - zero min max alt ramp onehot sparse edge trap big"},
    {NULL,    NULL                                                   }
};
static const char *const conv_must[] = {"n1/hw7x7/c3>8/k3x3/p1x1/gran=c",
                                        "n2/hw8x8/c16>16/k3x3/s2x2/p1x1",
                                        "n1/hw6x6/c32>24/k1x1/gran=c",
                                        "n1/hw9x9/c8>8/g8/k3x3/p1x1/gran=c",
                                        "n1/hw5x7/c64>17/k3x3/p1x1/act=relu",
                                        "n1/hw7x7/c4>4/k3x3/d2x2/p2x2",
                                        "n1/hw9/c8>16/k3/p1",
                                        "n1/hw3x4x5/c4>6/k2x2x2",
                                        "n1/hw5x5/c12>18/g3/k3x3/p1x1/gran=c",
                                        "n1/hw4x4/c8>8/k2x2/bias=0",
                                        "n1/hw7x7/c16>9/k3x3/p1x1/pat=trap",
                                        "n1/hw6x6/c10>11/k3x3/p2x2/zp=lo,lo,lo/pat=edge",
                                        "n1/hw6x6/c10>11/k3x3/p2x2/zp=hi,hi,lo/pat=edge",
                                        "n1/hw4x5/c64>16/k1x1/sc=half/zp=101,3,77",
                                        "n0/hw4x4/c4>4/k3x3/p1x1",
                                        "n1/hw1x1/c1>1/k1x1",
                                        "n1/hw3x3/c520>3/k3x3/p1x1",
                                        "n1/hw6x6/c16>8/k3x3/pat=big",
                                        "n1/hw5x5/c8>8/k3x3/p1x1/gran=c/act=relu6",
                                        "n2/hw9x14/c64>40/k3x3/p1x1/gran=c",
                                        "n1/hw14x14/c64>16/k3x3/d2x2/p2x2",
                                        "n2/hw14x14/c16>40/k3x3/p1x1/zp=lo,3,lo",
                                        "n1/hw12x7/c8>9/k5x5/p2x2/zp=lo,0,3",
                                        "n2/hw9x30/c3>40/k7x7/s2x2/p3x3/gran=c/zp=3,0,5",
                                        "n1/hw3x520/c1>9/k3x3/s2x2/p1x1/zp=lo,0,lo",
                                        NULL};
static const qe__axis conv_transpose_axes[] = {
    {"n",     "1 2"                                       },
    {"hw",    "1x1 4x4 7x3 @x2 6 2x3x2"                   },
    {"c",     "@>@ 3>8 8>8 6>4 @>1"                       },
    {"g",     "- - 2 @"                                   },
    {"k",     "1x1 3x3 2x2 4x1 3 2x2x2"                   },
    {"s",     "- 2x2 3x1 2 2x1x2"                         },
    {"d",     "- - 2x2 2"                                 },
    {"p",     "- 1x1 0x1 1"                               },
    {"op",    "- - 1x1 1"                                 },
    {"bias",  "1 0"                                       },
    {"gran",  "t c"                                       },
    {"sc",    "- - half tiny huge"                        },
    {"zp",    "- lo,lo,lo hi,hi,lo 3,0,5"                 },
    {"act",   "- - relu clip"                             },
    {"const", "- - 0"                                     },
    {"pat",   "- - zero min max alt ramp onehot edge trap"},
    {NULL,    NULL                                        }
};
static const char *const conv_transpose_must[] = {"n1/hw4x4/c8>6/k3x3/s2x2/p1x1/op=1x1",
                                                  "n2/hw3x5/c4>4/k2x2/s2x2/gran=c",
                                                  "n1/hw5/c6>4/g2/k3/s2",
                                                  "n1/hw4x4/c16>8/k3x3/pat=trap",
                                                  "n1/hw3x3/c8>8/g8/k3x3/act=relu",
                                                  "n1/hw4x12/c19>19/g19/k3x3/s2x2/p1x1/op=1x1",
                                                  "n1/hw4x4/c9>5/k3x3/zp=lo,lo,lo/pat=edge",
                                                  "n1/hw2x2x3/c3>5/k2x2x2",
                                                  "n1/hw1x1/c1>1/k1x1",
                                                  NULL};
static const qe__axis conv_integer_axes[] = {
    {"n",    "1 2"                              },
    {"hw",   "1x1 7x7 @x4 9"                    },
    {"c",    "@>@ 3>8 8>8 6>4 @>1"              },
    {"g",    "- - 2 @"                          },
    {"k",    "1x1 3x3 2x2 3"                    },
    {"s",    "- 2x2"                            },
    {"d",    "- - 2x2"                          },
    {"p",    "- 1x1 2x2 1"                      },
    {"flag", "- 0 1 2"                          },
    {"pat",  "- zero min max alt ramp edge trap"},
    {NULL,   NULL                               }
};
static const char *const conv_integer_must[] = {"n1/hw7x7/c3>8/k3x3/p1x1", "n1/hw5x5/c8>8/g8/k3x3/p1x1",
                                                "n1/hw6x6/c16>9/k1x1/pat=trap", "n1/hw4x4/c4>4/k3x3/flag=0",
                                                "n1/hw5x12/c3>8/k3x3/p1x1/flag=0", NULL};
static const qe__axis gemm_axes[] = {
    {"m",     "@ 0 1 2 33"                                           },
    {"n",     "@ 1 65"                                               },
    {"k",     "@ 0 1 129 300 4100"                                   },
    {"trans", "- 1 2 3"                                              },
    {"alpha", "- - - 0.5"                                            },
    {"beta",  "- - - 2"                                              },
    {"bias",  "1 0 2 3"                                              },
    {"gran",  "t c"                                                  },
    {"sc",    "- - half pow2 tiny huge"                              },
    {"zp",    "- lo,lo,lo hi,hi,lo 3,0,5 hi,lo,hi"                   },
    {"act",   "- - relu relu6 clip"                                  },
    {"const", "- - 0"                                                },
    {"pat",   "- - zero min max alt ramp onehot sparse edge trap big"},
    {NULL,    NULL                                                   }
};
static const char *const gemm_must[] = {"m5/n16/k64/trans=2/gran=c",
                                        "m1/n10/k128/trans=2",
                                        "m17/n33/k31/gran=c",
                                        "m8/n8/k8/trans=1",
                                        "m4/n4/k4/bias=0",
                                        "m3/n9/k200/trans=2/act=relu",
                                        "m6/n16/k64/trans=2/pat=trap",
                                        "m6/n7/k65/zp=lo,lo,lo/pat=edge",
                                        "m6/n7/k65/zp=hi,hi,lo/pat=edge",
                                        "m9/n13/k40/sc=half/zp=101,3,77",
                                        "m3/n5/k4200/trans=2",
                                        "m4/n9/k16000/trans=2/bias=0/pat=swing",
                                        "m1/n1/k1",
                                        "m0/n4/k4",
                                        "m5/n6/k7/bias=2",
                                        "m7/n16/k48/trans=2/pat=big",
                                        "m4/n8/k12/const=0",
                                        "m30/n17/k200/trans=1/const=0",
                                        "m13/n33/k4097/trans=1/const=0",
                                        NULL};
static const qe__axis matmul_axes[] = {
    {"m",     "@ 1 2 19"                                  },
    {"n",     "@ 1 37"                                    },
    {"k",     "@ 1 64 200 4100"                           },
    {"b",     "- - 2 3x2 1x2"                             },
    {"mode",  "- - a vec"                                 },
    {"bias",  "0 1"                                       },
    {"gran",  "t t c"                                     },
    {"sc",    "- - half pow2 tiny huge"                   },
    {"zp",    "- lo,lo,lo hi,hi,lo 3,0,5"                 },
    {"act",   "- - relu clip"                             },
    {"const", "- - 0 2"                                   },
    {"pat",   "- - zero min max alt ramp onehot edge trap"},
    {NULL,    NULL                                        }
};
static const char *const matmul_must[] = {"m5/n16/k64/gran=c",
                                          "m1/n9/k33",
                                          "m4/n6/k8/b=2x3/const=0",
                                          "m7/n8/k16/b=3/mode=a",
                                          "m9/n17/k70/bias=1/act=relu",
                                          "m6/n8/k32/pat=trap",
                                          "m6/n7/k65/zp=lo,lo,lo/pat=edge",
                                          "m6/n7/k65/zp=hi,hi,lo/pat=edge",
                                          "m3/n5/k4200",
                                          "m1/n1/k1",
                                          "n12/k20/mode=vec",
                                          "m12/n9/k40/sc=half/zp=101,3,77",
                                          NULL};
static const qe__axis matmul_integer_axes[] = {
    {"m",     "@ 1 19"                           },
    {"n",     "@ 1 37"                           },
    {"k",     "@ 1 64 200"                       },
    {"b",     "- - 2 2x2"                        },
    {"mode",  "- - a"                            },
    {"flag",  "- 0 1 2 7 4"                      },
    {"const", "- - 0"                            },
    {"pat",   "- zero min max alt ramp edge trap"},
    {NULL,    NULL                               }
};
static const char *const matmul_integer_must[] = {
    "m5/n16/k64", "m7/n9/k33/flag=7", "m4/n6/k8/b=2", "m3/n4/k50/flag=0/pat=trap", "m1/n1/k1", NULL};

static const qe__axis matmul_to_float_axes[] = {
    {"m",     "@ 1 19"                           },
    {"n",     "@ 1 37"                           },
    {"k",     "@ 1 64 200"                       },
    {"b",     "- - 2 2x2"                        },
    {"mode",  "a a a - vec"                      },
    {"flag",  "- 0 1 2 7 4"                      },
    {"trans", "- - 2"                            },
    {"bias",  "1 0"                              },
    {"act",   "- - relu clip"                    },
    {"const", "- - 0 42"                         },
    {"pat",   "- zero min max alt ramp edge trap"},
    {NULL,    NULL                               }
};
static const char *const matmul_to_float_must[] = {
    "m5/n16/k64/const=42", "m7/n9/k33/flag=7/const=42", "m4/n6/k8/b=2", "m3/n4/k50/flag=0/trans=2/pat=trap", "m1/n1/k1",
    "m1/n40/k70/flag=7/trans=2/const=42", NULL};

const qe__family qe__family_conv = {"n hw c g k s d p pe bias gran sc zp act const lay pat seed", build_conv, conv_axes,
                                    conv_must};
const qe__family qe__family_conv_transpose = {"n hw c g k s d p pe op bias gran sc zp act const lay pat seed",
                                              build_conv_transpose, conv_transpose_axes, conv_transpose_must};
const qe__family qe__family_conv_integer = {"n hw c g k s d p pe flag lay pat seed", build_conv_integer,
                                            conv_integer_axes, conv_integer_must};
const qe__family qe__family_gemm = {"m n k trans alpha beta bias gran sc zp act const lay pat seed", build_gemm,
                                    gemm_axes, gemm_must};
const qe__family qe__family_matmul = {"m n k b mode bias gran sc zp act const lay pat seed", build_matmul, matmul_axes,
                                      matmul_must};
const qe__family qe__family_matmul_integer = {"m n k b mode flag const lay pat seed", build_matmul_integer,
                                              matmul_integer_axes, matmul_integer_must};
const qe__family qe__family_matmul_to_float = {"m n k b mode flag trans bias act const lay pat seed",
                                               build_matmul_to_float, matmul_to_float_axes, matmul_to_float_must};
