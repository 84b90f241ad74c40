/* Kernels that move elements, against plain index arithmetic, for elements of 1, 2, 4 and 8 bytes. */
#include "int_support.h"

static const uint8_t sizes[] = {QE_DT_I8, QE_DT_BF16, QE_DT_I32, QE_DT_F64};
enum { N_SIZES = sizeof sizes };

static int64_t count_of(uint32_t rank, const int64_t *dims) {
  int64_t n = 1;
  for (uint32_t d = 0; d < rank; ++d)
    n *= dims[d];
  return n;
}
static void unravel(int64_t i, uint32_t rank, const int64_t *dims, int64_t *at) {
  for (uint32_t d = rank; d-- > 0;) {
    at[d] = i % dims[d];
    i /= dims[d];
  }
}
static int64_t ravel(uint32_t rank, const int64_t *dims, const int64_t *at) {
  int64_t i = 0;
  for (uint32_t d = 0; d < rank; ++d)
    i = i * dims[d] + at[d];
  return i;
}

/*
 * Runs c (one input x, one output of rank and dims) in all sizes; source gives the element of x that element i of y
 * is, or -1: fill.
 */
typedef int64_t (*source_fn)(const kh_case *c, const int64_t *at);

static void check(kh_case c, source_fn source) {
  const kh_tensor tx = c.in[0], ty = c.out[0];
  const int64_t nx = count_of(tx.rank, tx.dims), ny = count_of(ty.rank, ty.dims);
  for (size_t t = 0; t < N_SIZES; ++t) {
    const size_t size = kh_size(sizes[t]);
    uint64_t s = 5 + t;
    uint8_t *x = ti_alloc(nx * (int64_t)size), *y = ti_alloc(ny * (int64_t)size);
    ti_bytes(&s, x, nx * (int64_t)size);
    c.in[0].data = x;
    c.out[0].data = y;
    c.in[0].dtype = c.out[0].dtype = sizes[t];
    kh_run(&c);
    for (int64_t i = 0; i < ny; ++i) {
      int64_t at[QE_MAX_RANK];
      static const uint8_t zeros[8];
      unravel(i, ty.rank, ty.dims, at);
      const int64_t from = source(&c, at);
      ti_same_bytes(from < 0 ? zeros : x + (size_t)from * size, y + (size_t)i * size, (int64_t)size, c.op, (uint64_t)i);
    }
    free(x);
    free(y);
  }
}

static kh_case move(const char *op, uint32_t rx, const int64_t *dx, uint32_t ry, const int64_t *dy) {
  kh_case c = kh_new(op);
  kh_in(&c, kh_tensor_make(QE_DT_U8, NULL, rx, dx));
  kh_out(&c, kh_tensor_make(QE_DT_U8, NULL, ry, dy));
  return c;
}
#define DIMS(...) (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (const int64_t[]){__VA_ARGS__}

static int64_t same(const kh_case *c, const int64_t *at) { return ravel(c->out[0].rank, c->out[0].dims, at); }

Test(reference_move, identity_and_relayout) {
  check(move("Relayout", DIMS(2, 3, 4, 5), DIMS(2, 3, 4, 5)), same);
  check(move("Relayout", DIMS(70, 3, 90), DIMS(70, 3, 90)), same);
  check(move("Identity", DIMS(2, 3, 4), DIMS(2, 3, 4)), same);
  check(move("Relayout", DIMS(2, 0, 4), DIMS(2, 0, 4)), same);
  uint8_t x[24], y[24];
  uint64_t s = 1;
  ti_bytes(&s, x, 24);
  static const char *const views[] = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout"};
  for (int i = 0; i < 5; ++i) {
    kh_case c = kh_new(views[i]);
    kh_in(&c, KH(QE_DT_U8, x, 2, 3, 4));
    kh_out(&c, KH(QE_DT_U8, y, 1, 6, 4, 1));
    kh_run(&c);
    ti_same_bytes(x, y, 24, views[i], 0);
  }
}

static int64_t transposed(const kh_case *c, const int64_t *at) {
  int64_t from[QE_MAX_RANK];
  for (uint32_t d = 0; d < c->out[0].rank; ++d)
    from[c->params.perm[d]] = at[d];
  return ravel(c->in[0].rank, c->in[0].dims, from);
}

Test(reference_move, transpose) {
  static const int64_t perms[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 3, 1}, {0, 3, 1, 2}, {1, 0, 3, 2}};
  static const int64_t dims[4] = {2, 3, 4, 5};
  for (size_t i = 0; i < 5; ++i) {
    int64_t out[4];
    for (int d = 0; d < 4; ++d)
      out[d] = dims[perms[i][d]];
    kh_case c = move("Transpose", 4, dims, 4, out);
    memcpy(c.params.perm, perms[i], sizeof perms[i]);
    check(c, transposed);
  }
  kh_case c = move("Transpose", DIMS(130, 150), DIMS(150, 130));
  c.params.perm[0] = 1;
  check(c, transposed);
  check(move("Transpose", 0, NULL, 0, NULL), transposed);
}

static int64_t sliced(const kh_case *c, const int64_t *at) {
  int64_t from[QE_MAX_RANK];
  for (uint32_t d = 0; d < c->out[0].rank; ++d)
    from[d] = c->params.starts[d] + at[d] * c->params.steps[d];
  return ravel(c->in[0].rank, c->in[0].dims, from);
}

Test(reference_move, slice) {
  kh_case c = move("Slice", DIMS(4, 5, 6, 7), DIMS(2, 5, 2, 3));
  const int64_t starts[4] = {1, 0, 5, 6}, steps[4] = {2, 1, -4, -3};
  memcpy(c.params.starts, starts, sizeof starts);
  memcpy(c.params.steps, steps, sizeof steps);
  check(c, sliced);
  kh_case empty = move("Slice", DIMS(4, 5), DIMS(0, 5));
  empty.params.steps[0] = empty.params.steps[1] = 1;
  check(empty, sliced);
  c.params.starts[0] = 2;
  kh_refused(&c, "outside");
}

/* x[d] of y position at, per the padding mode, written out one step at a time. */
static int64_t padded(const kh_case *c, const int64_t *at) {
  int64_t from[QE_MAX_RANK];
  for (uint32_t d = 0; d < c->out[0].rank; ++d) {
    const int64_t n = c->in[0].dims[d], before = c->params.starts[d], behind = c->out[0].dims[d] - n - before;
    const int64_t lo = before < 0 ? -before : 0, hi = behind < 0 ? n + behind : n;
    int64_t i = at[d] - before;
    while (i < lo || i >= hi) {
      if (c->params.mode == QE_PAD_CONSTANT)
        return -1;
      if (c->params.mode == QE_PAD_EDGE)
        i = i < lo ? lo : hi - 1;
      else if (c->params.mode == QE_PAD_WRAP)
        i += i < lo ? hi - lo : lo - hi;
      else
        i = i < lo ? 2 * lo - i : 2 * (hi - 1) - i;
    }
    from[d] = i;
  }
  return ravel(c->in[0].rank, c->in[0].dims, from);
}

Test(reference_move, pad) {
  for (uint32_t mode = 0; mode < 4; ++mode) {
    kh_case c = move("Pad", DIMS(2, 3, 4, 5), DIMS(2, 3, 8, 9));
    c.params.mode = mode;
    c.params.starts[2] = 3;
    c.params.starts[3] = 2;
    check(c, padded);
    kh_case cut = move("Pad", DIMS(2, 6, 7), DIMS(3, 4, 8));
    cut.params.mode = mode == QE_PAD_REFLECT ? QE_PAD_EDGE : mode;
    cut.params.starts[1] = -1;
    cut.params.starts[2] = -1;
    check(cut, padded);
  }
}

Test(reference_move, pad_value_of_every_type) {
  static const struct { uint8_t type; float real; int64_t whole; uint8_t bytes[8];
  } cases[] = {
      {QE_DT_F32, 1.0f, 0, {0, 0, 0x80, 0x3f}},
      {QE_DT_F64, 1.0f, 0, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f}},
      {QE_DT_F16, 1.0f, 0, {0, 0x3c}},
      {QE_DT_BF16, 1.0f, 0, {0x80, 0x3f}},
      {QE_DT_U8, 0.0f, 200, {200}},
      {QE_DT_I8, 0.0f, -3, {0xfd}},
      {QE_DT_I64, 0.0f, -2, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
      {QE_DT_BOOL, 0.0f, 5, {1}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    uint8_t x[8] = {0}, y[3 * 8];
    const size_t size = kh_size(cases[i].type);
    kh_case c = kh_new("Pad");
    c.params.starts[0] = 1;
    c.params.fill = cases[i].real;
    c.params.fill_int = cases[i].whole;
    kh_in(&c, KH(cases[i].type, x, 1));
    kh_out(&c, KH(cases[i].type, y, 3));
    kh_run(&c);
    ti_same_bytes(cases[i].bytes, y, (int64_t)size, "first", i);
    ti_same_bytes(cases[i].bytes, y + 2 * size, (int64_t)size, "last", i);
    kh_case k = kh_new("ConstantOfShape");
    k.params.fill = cases[i].real;
    k.params.fill_int = cases[i].whole;
    kh_out(&k, KH(cases[i].type, y, 3));
    kh_run(&k);
    for (size_t j = 0; j < 3; ++j)
      ti_same_bytes(cases[i].bytes, y + j * size, (int64_t)size, "constant", i);
  }
}

static int64_t tiled(const kh_case *c, const int64_t *at) {
  int64_t from[QE_MAX_RANK];
  for (uint32_t d = 0; d < c->out[0].rank; ++d)
    from[d] = at[d] % c->in[0].dims[d];
  return ravel(c->in[0].rank, c->in[0].dims, from);
}

Test(reference_move, tile) {
  check(move("Tile", DIMS(2, 3, 4), DIMS(4, 3, 12)), tiled);
  check(move("Tile", DIMS(3), DIMS(0)), tiled);
  check(move("Tile", 0, NULL, 0, NULL), tiled);
  check(move("Tile", DIMS(2, 3, 1, 2), DIMS(2, 6, 50, 40)), tiled);
}

static int64_t expanded(const kh_case *c, const int64_t *at) {
  int64_t from[QE_MAX_RANK];
  const uint32_t lead = c->out[0].rank - c->in[0].rank;
  for (uint32_t d = 0; d < c->in[0].rank; ++d)
    from[d] = c->in[0].dims[d] == 1 ? 0 : at[d + lead];
  return ravel(c->in[0].rank, c->in[0].dims, from);
}

Test(reference_move, expand) {
  check(move("Expand", DIMS(3, 1), DIMS(2, 3, 4)), expanded);
  check(move("Expand", DIMS(2, 1, 4), DIMS(2, 3, 4)), expanded);
  check(move("Expand", 0, NULL, DIMS(5)), expanded);
  check(move("Expand", DIMS(1), DIMS(0, 3)), expanded);
}

static int64_t to_space(const kh_case *c, const int64_t *at) {
  const int64_t b = c->params.kernel[0], channels = c->out[0].dims[1], i = at[2] % b, j = at[3] % b;
  const int64_t from[4] = {at[0], c->params.mode ? (at[1] * b + i) * b + j : (i * b + j) * channels + at[1], at[2] / b,
                           at[3] / b};
  return ravel(4, c->in[0].dims, from);
}
static int64_t to_depth(const kh_case *c, const int64_t *at) {
  const int64_t b = c->params.kernel[0], channels = c->in[0].dims[1], block = at[1] / channels;
  const int64_t from[4] = {at[0], at[1] % channels, at[2] * b + block / b, at[3] * b + block % b};
  return ravel(4, c->in[0].dims, from);
}

Test(reference_move, depth_and_space) {
  for (uint32_t mode = 0; mode < 2; ++mode) {
    kh_case c = move("DepthToSpace", DIMS(2, 18, 2, 5), DIMS(2, 2, 6, 15));
    c.params.kernel[0] = 3;
    c.params.mode = mode;
    check(c, to_space);
  }
  kh_case c = move("SpaceToDepth", DIMS(2, 3, 4, 6), DIMS(2, 12, 2, 3));
  c.params.kernel[0] = 2;
  check(c, to_depth);
}

static int64_t triangle(const kh_case *c, const int64_t *at) {
  const uint32_t r = c->out[0].rank;
  const int64_t distance = at[r - 1] - at[r - 2];
  const bool keep = c->params.mode ? distance >= c->params.starts[0] : distance <= c->params.starts[0];
  return keep ? same(c, at) : -1;
}

Test(reference_move, trilu) {
  static const int64_t ks[] = {0, 1, -1, 3, -2, 100, -100, INT64_MAX, INT64_MIN};
  for (uint32_t mode = 0; mode < 2; ++mode)
    for (size_t i = 0; i < sizeof ks / sizeof ks[0]; ++i) {
      kh_case c = move("Trilu", DIMS(2, 4, 5), DIMS(2, 4, 5));
      c.params.mode = mode;
      c.params.starts[0] = ks[i];
      check(c, triangle);
    }
  kh_case empty = move("Trilu", DIMS(3, 0), DIMS(3, 0));
  check(empty, triangle);
}

/* -- Concat and Split ---------------------------------------------------------------------------------------------- */

Test(reference_move, concat_and_split) {
  static const int64_t parts[] = {3, 1, 0, 5};
  for (size_t t = 0; t < N_SIZES; ++t)
    for (uint32_t axis = 0; axis < 4; ++axis) {
      const size_t size = kh_size(sizes[t]);
      int64_t whole[4] = {2, 3, 4, 5};
      whole[axis] = 9;
      const int64_t n = count_of(4, whole);
      uint64_t s = t * 10 + axis + 1;
      uint8_t *x = ti_alloc(n * 8), *y = ti_alloc(n * 8), *piece[4];
      ti_bytes(&s, x, n * (int64_t)size);
      kh_case split = kh_new("Split"), concat = kh_new("Concat");
      split.params.axis = concat.params.axis = axis;
      kh_in(&split, kh_tensor_make(sizes[t], x, 4, whole));
      for (int i = 0; i < 4; ++i) {
        int64_t dims[4];
        memcpy(dims, whole, sizeof dims);
        dims[axis] = parts[i];
        piece[i] = ti_alloc(count_of(4, dims) * 8);
        kh_out(&split, kh_tensor_make(sizes[t], piece[i], 4, dims));
        kh_in(&concat, kh_tensor_make(sizes[t], piece[i], 4, dims));
      }
      kh_out(&concat, kh_tensor_make(sizes[t], y, 4, whole));
      kh_run(&split);
      int64_t first = 0;
      for (int i = 0; i < 4; ++i) {
        const int64_t *dims = split.out[i].dims;
        for (int64_t k = 0; k < count_of(4, dims); ++k) {
          int64_t at[4];
          unravel(k, 4, dims, at);
          at[axis] += first;
          ti_same_bytes(x + (size_t)ravel(4, whole, at) * size, piece[i] + (size_t)k * size, (int64_t)size, "Split", s);
        }
        first += parts[i];
      }
      kh_run(&concat);
      ti_same_bytes(x, y, n * (int64_t)size, "Concat", s);
      for (int i = 0; i < 4; ++i)
        free(piece[i]);
      free(x);
      free(y);
    }
}
