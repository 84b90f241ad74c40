/* Pools and reductions in the order of the contract. */
#include "naive.h"
#include "support/kernel_host.h"

typedef struct pool {
  int64_t n, c, in[2], kernel[2], stride[2], dilation[2], pad[2], pad_end[2], out[2];
  bool include_pad;
} pool;

static void naive_pool(const pool *p, bool average, const float *x, float *y) {
  for (int64_t i = 0; i < p->n * p->c; ++i)
    for (int64_t o = 0; o < p->out[0] * p->out[1]; ++o) {
      const int64_t at[2] = {o / p->out[1], o % p->out[1]};
      float sum = 0.0f, largest = -INFINITY;
      int64_t inside = 0, padded = 0;
      for (int64_t k = 0; k < p->kernel[0] * p->kernel[1]; ++k) {
        const int64_t tap[2] = {k / p->kernel[1], k % p->kernel[1]};
        int64_t position[2];
        bool in_x = true, in_padded = true;
        for (int d = 0; d < 2; ++d) {
          position[d] = at[d] * p->stride[d] - p->pad[d] + tap[d] * p->dilation[d];
          in_x = in_x && position[d] >= 0 && position[d] < p->in[d];
          in_padded = in_padded && position[d] < p->in[d] + p->pad_end[d];
        }
        padded += in_padded;
        if (!in_x)
          continue;
        const float v = x[(i * p->in[0] + position[0]) * p->in[1] + position[1]];
        ++inside;
        sum = sum + v;
        if (!isnan(largest) && (isnan(v) || inside == 1 || v > largest))
          largest = v;
      }
      const int64_t count = p->include_pad ? padded : inside;
      y[i * p->out[0] * p->out[1] + o] = average ? (count ? sum / (float)count : sum) : largest;
    }
}

static void check_pool(const pool *p, bool average, uint64_t seed) {
  static float x[20000], y[20000], expected[20000];
  const int64_t nx = p->n * p->c * p->in[0] * p->in[1], ny = p->n * p->c * p->out[0] * p->out[1];
  cr_assert(nx <= 20000 && ny <= 20000, "%ld, %ld", (long)nx, (long)ny);
  kh_fill_f32(&seed, x, nx, -1.0f, 1.0f);
  if (nx > 3 && seed % 4 == 0)
    x[nx / 2] = NAN;
  kh_case c = kh_new(average ? "AveragePool" : "MaxPool");
  kh_in(&c, KH_F32(x, p->n, p->c, p->in[0], p->in[1]));
  kh_out(&c, KH_F32(y, p->n, p->c, p->out[0], p->out[1]));
  c.params.spatial = 2;
  c.params.count_include_pad = p->include_pad;
  for (int d = 0; d < 2; ++d) {
    c.params.kernel[d] = p->kernel[d];
    c.params.stride[d] = p->stride[d];
    c.params.dilation[d] = p->dilation[d];
    c.params.pad_begin[d] = p->pad[d];
    c.params.pad_end[d] = p->pad_end[d];
  }
  kh_run(&c);
  naive_pool(p, average, x, expected);
  kh_same_f32(expected, y, ny, c.op);
}

Test(reference_pool, random_windows) {
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    uint64_t s = seed;
    pool p = {.n = kh_int(&s, 1, 2), .c = kh_int(&s, 1, 40), .include_pad = seed & 2};
    const bool ceil_mode = seed & 4;
    bool empty = false;
    for (int d = 0; d < 2; ++d) {
      p.in[d] = kh_int(&s, 1, 9);
      p.kernel[d] = kh_int(&s, 1, 4);
      p.stride[d] = kh_int(&s, 1, 3);
      p.dilation[d] = kh_int(&s, 1, 2);
      p.pad[d] = kh_int(&s, 0, 2);
      p.pad_end[d] = kh_int(&s, 0, 2);
      const int64_t room = p.in[d] + p.pad[d] + p.pad_end[d] - p.dilation[d] * (p.kernel[d] - 1) - 1;
      empty = empty || room < 0;
      p.out[d] = room < 0 ? 0 : (room + (ceil_mode ? p.stride[d] - 1 : 0)) / p.stride[d] + 1;
    }
    if (empty)
      continue;
    cr_log_info("seed %llu", (unsigned long long)seed);
    check_pool(&p, seed & 1, seed);
  }
}

Test(reference_pool, many_tiles) {
  pool p = {.n = 1,
            .c = 40,
            .in = {21, 20},
            .kernel = {2, 3},
            .stride = {1, 1},
            .dilation = {1, 1},
            .pad = {1, 1},
            .pad_end = {0, 1},
            .out = {21, 20}};
  check_pool(&p, false, 1);
  check_pool(&p, true, 2);
}

Test(reference_pool, one_and_three_dimensions) {
  float x[24], y[8];
  for (int i = 0; i < 24; ++i)
    x[i] = (float)((i * 7) % 24);
  kh_case one = kh_new("MaxPool");
  kh_in(&one, KH_F32(x, 1, 2, 12));
  kh_out(&one, KH_F32(y, 1, 2, 4));
  one.params.spatial = 1;
  one.params.kernel[0] = one.params.stride[0] = 3;
  one.params.dilation[0] = 1;
  kh_run(&one);
  for (int i = 0; i < 8; ++i)
    cr_assert_eq(y[i], fmaxf(x[3 * i], fmaxf(x[3 * i + 1], x[3 * i + 2])));
  kh_case three = kh_new("AveragePool");
  kh_in(&three, KH_F32(x, 1, 1, 2, 4, 3));
  kh_out(&three, KH_F32(y, 1, 1, 1, 2, 1));
  three.params.spatial = 3;
  const int64_t kernel[3] = {2, 2, 3};
  for (int d = 0; d < 3; ++d) {
    three.params.kernel[d] = three.params.stride[d] = kernel[d];
    three.params.dilation[d] = 1;
  }
  kh_run(&three);
  for (int h = 0; h < 2; ++h) {
    float sum = 0.0f;
    for (int i = 0; i < 12; ++i)
      sum += x[i / 6 * 12 + (2 * h + i / 3 % 2) * 3 + i % 3];
    cr_assert_eq(y[h], sum / 12.0f, "expected %g, got %g", (double)(sum / 12.0f), (double)y[h]);
  }
}

Test(reference_pool, a_window_without_elements) {
  float x[1] = {5.0f}, y[3];
  kh_case c = kh_new("AveragePool");
  kh_in(&c, KH_F32(x, 1, 1, 1));
  kh_out(&c, KH_F32(y, 1, 1, 3));
  c.params.spatial = 1;
  c.params.kernel[0] = c.params.stride[0] = c.params.dilation[0] = c.params.pad_begin[0] = c.params.pad_end[0] = 1;
  kh_run(&c);
  const float average[3] = {0.0f, 5.0f, 0.0f}, largest[3] = {-INFINITY, 5.0f, -INFINITY};
  kh_same_f32(average, y, 3, "AveragePool");
  c.op = "MaxPool";
  kh_run(&c);
  kh_same_f32(largest, y, 3, "MaxPool");
}

static int64_t within(int64_t v, int64_t size) { return v < 0 ? 0 : v > size ? size : v; }

/* The value at each index is the largest one, the index lies in the window, and the two storage orders agree. */
static void check_indices(uint8_t dtype, const void *x, void *y) {
  enum { N = 2, C = 3, H = 5, W = 4, P = 3, Q = 4 };
  int64_t index[2][N * C * P * Q];
  for (uint32_t order = 0; order < 2; ++order) {
    kh_case c = kh_new("MaxPool");
    kh_in(&c, KH(dtype, x, N, C, H, W));
    kh_out(&c, KH(dtype, y, N, C, P, Q));
    kh_out(&c, KH(QE_DT_I64, index[order], N, C, P, Q));
    c.params.spatial = 2;
    c.params.mode = order;
    c.params.kernel[0] = c.params.kernel[1] = 3;
    c.params.stride[0] = 2, c.params.stride[1] = 1;
    c.params.dilation[0] = c.params.dilation[1] = 1;
    for (int d = 0; d < 2; ++d)
      c.params.pad_begin[d] = c.params.pad_end[d] = 1;
    kh_run(&c);
  }
  for (int64_t i = 0; i < N * C * P * Q; ++i) {
    const int64_t image = i / (P * Q), row = index[0][i] / W % H, column = index[0][i] % W;
    const int64_t p = i / Q % P, q = i % Q;
    cr_assert_eq(index[0][i] / (H * W), image, "element %ld: index %ld is of another image", (long)i, (long)index[0][i]);
    cr_assert(row >= 2 * p - 1 && row <= 2 * p + 1 && column >= q - 1 && column <= q + 1,
              "element %ld: [%ld,%ld] is outside its window", (long)i, (long)row, (long)column);
    cr_assert_eq(index[1][i], image * H * W + column * H + row, "element %ld: column-major %ld for [%ld,%ld]", (long)i,
                 (long)index[1][i], (long)row, (long)column);
    const int64_t at = index[0][i];
    if (dtype == QE_DT_F32)
      cr_assert_eq(((float *)y)[i], ((const float *)x)[at]);
    else if (dtype == QE_DT_U8)
      cr_assert_eq(((uint8_t *)y)[i], ((const uint8_t *)x)[at]);
    else
      cr_assert_eq(((int8_t *)y)[i], ((const int8_t *)x)[at]);
    for (int64_t h = within(2 * p - 1, H); h < within(2 * p + 2, H); ++h)
      for (int64_t w = within(q - 1, W); w < within(q + 2, W); ++w) {
        const int64_t other = (image * H + h) * W + w;
        if (dtype == QE_DT_F32)
          cr_assert_geq(((float *)y)[i], ((const float *)x)[other]);
        else if (dtype == QE_DT_U8)
          cr_assert_geq(((uint8_t *)y)[i], ((const uint8_t *)x)[other]);
        else
          cr_assert_geq(((int8_t *)y)[i], ((const int8_t *)x)[other]);
      }
  }
}

Test(reference_pool, indices_of_the_largest) {
  enum { ELEMENTS = 2 * 3 * 5 * 4 };
  float x[ELEMENTS], y[ELEMENTS];
  uint8_t codes[ELEMENTS], largest[ELEMENTS];
  uint64_t seed = 12;
  kh_fill_f32(&seed, x, ELEMENTS, -1.0f, 1.0f);
  for (int i = 0; i < ELEMENTS; ++i)
    codes[i] = (uint8_t)kh_int(&seed, 0, 255);
  check_indices(QE_DT_F32, x, y);
  check_indices(QE_DT_U8, codes, largest);
  check_indices(QE_DT_I8, codes, largest);
}

Test(reference_pool, index_of_a_window_without_elements) {
  float x[1] = {5.0f}, y[3];
  int64_t index[3];
  kh_case c = kh_new("MaxPool");
  kh_in(&c, KH_F32(x, 1, 1, 1));
  kh_out(&c, KH_F32(y, 1, 1, 3));
  kh_out(&c, KH(QE_DT_I64, index, 1, 1, 3));
  c.params.spatial = 1;
  c.params.kernel[0] = c.params.stride[0] = c.params.dilation[0] = c.params.pad_begin[0] = c.params.pad_end[0] = 1;
  kh_run(&c);
  const float largest[3] = {-INFINITY, 5.0f, -INFINITY};
  kh_same_f32(largest, y, 3, "MaxPool");
  cr_assert(index[0] == -1 && index[1] == 0 && index[2] == -1, "%ld %ld %ld", (long)index[0], (long)index[1], (long)index[2]);
}

Test(reference_pool, global) {
  enum { N = 2, C = 25, H = 31, W = 33 };
  static float x[N * C * H * W], y[N * C], average[N * C], largest[N * C];
  uint64_t seed = 4;
  kh_fill_f32(&seed, x, N * C * H * W, -1.0f, 1.0f);
  x[2 * H * W + 4] = NAN;
  for (int i = 0; i < N * C; ++i) {
    average[i] = naive_sum(x + i * H * W, H * W) / (float)(H * W);
    largest[i] = x[i * H * W];
    for (int j = 0; j < H * W; ++j)
      largest[i] = isnan(largest[i]) || isnan(x[i * H * W + j]) ? NAN : fmaxf(largest[i], x[i * H * W + j]);
  }
  kh_case c = kh_new("GlobalAveragePool");
  kh_in(&c, KH_F32(x, N, C, H, W));
  kh_out(&c, KH_F32(y, N, C, 1, 1));
  kh_run(&c);
  kh_same_f32(average, y, N * C, c.op);
  c.op = "GlobalMaxPool";
  kh_run(&c);
  kh_same_f32(largest, y, N * C, c.op);
}

/* -- reductions ---------------------------------------------------------------------------------------------------- */

static float reduce_terms(const char *op, float *terms, int64_t n) {
  float v = 1.0f;
  if (strcmp(op, "ReduceSum") == 0)
    return naive_sum(terms, n);
  if (strcmp(op, "ReduceMean") == 0)
    return naive_sum(terms, n) / (float)n;
  if (strcmp(op, "ReduceProd") == 0) {
    for (int64_t i = 0; i < n; ++i)
      v *= terms[i];
    return v;
  }
  if (strcmp(op, "ReduceMax") == 0 || strcmp(op, "ReduceMin") == 0) {
    const bool max = strcmp(op, "ReduceMax") == 0;
    v = max ? -INFINITY : INFINITY;
    for (int64_t i = 0; i < n; ++i)
      v = max ? fmaxf(v, terms[i]) : fminf(v, terms[i]);
    return v;
  }
  for (int64_t i = 0; i < n; ++i)
    terms[i] = terms[i] * terms[i];
  v = naive_sum(terms, n);
  return strcmp(op, "ReduceL2") == 0 ? sqrtf(v) : v;
}

static const char *const reductions[] = {"ReduceSum",  "ReduceMean", "ReduceMax",      "ReduceMin",
                                         "ReduceProd", "ReduceL2",   "ReduceSumSquare"};

/* Reduces [2,3,4,5] or [1,2,1,70000] over `axes`. */
static void check_reduce(const char *op, const int64_t *dims, uint32_t axes, bool keep, uint64_t seed) {
  const int64_t total = dims[0] * dims[1] * dims[2] * dims[3];
  float *x = malloc(sizeof(float) * (size_t)(total + 1)), *y = malloc(sizeof(float) * (size_t)(total + 1));
  float *expected = malloc(sizeof(float) * (size_t)(total + 1)), *terms = malloc(sizeof(float) * (size_t)(total + 1));
  cr_assert(x && y && expected && terms);
  kh_fill_f32(&seed, x, total, -1.5f, 1.5f);
  int64_t out_dims[4], results = 1, each = 1;
  uint32_t rank = 0;
  for (uint32_t d = 0; d < 4; ++d) {
    const bool reduced = axes >> d & 1u;
    if (!reduced || keep)
      out_dims[rank++] = reduced ? 1 : dims[d];
    *(reduced ? &each : &results) *= dims[d];
  }
  kh_case c = kh_new(op);
  kh_in(&c, kh_tensor_make(QE_DT_F32, x, 4, dims));
  kh_out(&c, kh_tensor_make(QE_DT_F32, y, rank, out_dims));
  c.params.axes = axes;
  c.params.keepdims = keep;
  c.act_hi = 2.0f;
  kh_run(&c);
  for (int64_t r = 0; r < results; ++r) {
    int64_t n = 0;
    for (int64_t i = 0; i < total; ++i) { /* every element whose kept coordinates are those of result r, in order */
      int64_t rest = i, where = 0, step = 1;
      for (uint32_t d = 4; d-- > 0;) {
        if (!(axes >> d & 1u)) {
          where += rest % dims[d] * step;
          step *= dims[d];
        }
        rest /= dims[d];
      }
      if (where == r)
        terms[n++] = x[i];
    }
    cr_assert_eq(n, each);
    expected[r] = naive_act(reduce_terms(op, terms, n), -INFINITY, 2.0f);
  }
  kh_same_f32(expected, y, results, op);
  free(x);
  free(y);
  free(expected);
  free(terms);
}

Test(reference_reduce, every_set_of_axes) {
  const int64_t dims[4] = {2, 3, 4, 5};
  for (size_t i = 0; i < sizeof reductions / sizeof reductions[0]; ++i)
    for (uint32_t axes = 0; axes < 16; ++axes)
      check_reduce(reductions[i], dims, axes, axes % 3 == 0, axes + 1);
}

Test(reference_reduce, long_sums_are_cut_into_chunks) {
  const int64_t dims[4] = {1, 1, 2, 70000}, strided[4] = {1, 33000, 2, 2};
  check_reduce("ReduceSum", dims, 8, true, 1);
  check_reduce("ReduceSum", strided, 10, true, 2);
  check_reduce("ReduceL2", strided, 2, false, 3);
}

Test(reference_reduce, nothing_to_reduce) {
  float x[1] = {0}, y[2];
  const float expected[7] = {0.0f, NAN, -INFINITY, INFINITY, 1.0f, 0.0f, 0.0f};
  for (size_t i = 0; i < 7; ++i) {
    kh_case c = kh_new(reductions[i]);
    kh_in(&c, KH_F32(x, 2, 0));
    kh_out(&c, KH_F32(y, 2));
    c.params.axes = 2;
    kh_run(&c);
    kh_same_f32(expected + i, y, 1, reductions[i]);
    kh_same_f32(expected + i, y + 1, 1, reductions[i]);
  }
}

Test(reference_reduce, nan_is_the_largest_and_the_smallest) {
  float x[4] = {1.0f, NAN, 3.0f, -1.0f}, y[1];
  for (int i = 2; i < 4; ++i) {
    kh_case c = kh_new(reductions[i]);
    kh_in(&c, KH_F32(x, 4));
    kh_out(&c, KH_SCALAR(QE_DT_F32, y));
    c.params.axes = 1;
    kh_run(&c);
    cr_assert(isnan(y[0]), "%s: %g", reductions[i], (double)y[0]);
  }
}

Test(reference_reduce, integers) {
  int32_t x[4] = {INT32_MAX, -7, 3, 5}, y[1];
  const int32_t expected[7] = {(int32_t)((uint32_t)INT32_MAX + 1u),
                               (int32_t)(((int64_t)INT32_MAX + 1) / 4),
                               INT32_MAX,
                               -7,
                               (int32_t)(UINT32_C(0x7fffffff) * (uint32_t)-105),
                               (int32_t)2147483647,
                               (int32_t)(1u + 49u + 9u + 25u)};
  for (int i = 0; i < 7; ++i) {
    if (i == 5)
      continue; /* the square root of such a sum is nobody's use */
    kh_case c = kh_new(reductions[i]);
    kh_in(&c, KH(QE_DT_I32, x, 4));
    kh_out(&c, KH_SCALAR(QE_DT_I32, y));
    c.params.axes = 1;
    kh_run(&c);
    cr_assert_eq(y[0], expected[i], "%s: expected %d, got %d", reductions[i], expected[i], y[0]);
  }
  int64_t lx[3] = {-5, 4, -6}, ly[1];
  const int64_t want[7] = {-7, -2, 4, -6, 120, 8, 77};
  for (int i = 0; i < 7; ++i) {
    kh_case c = kh_new(reductions[i]);
    kh_in(&c, KH(QE_DT_I64, lx, 3));
    kh_out(&c, KH(QE_DT_I64, ly, 1));
    c.params.axes = 1;
    c.params.keepdims = 1;
    kh_run(&c);
    cr_assert_eq(ly[0], want[i], "%s: expected %ld, got %ld", reductions[i], (long)want[i], (long)ly[0]);
  }
}

Test(reference_reduce, doubles_and_codes) {
  double x[3] = {3.0, -4.0, 0.5}, y[1];
  const double want[7] = {-0.5, -0.5 / 3, 3.0, -4.0, -6.0, sqrt(25.25), 25.25};
  for (int i = 0; i < 7; ++i) {
    kh_case c = kh_new(reductions[i]);
    kh_in(&c, KH(QE_DT_F64, x, 3));
    kh_out(&c, KH_SCALAR(QE_DT_F64, y));
    c.params.axes = 1;
    kh_run(&c);
    cr_assert(y[0] == want[i], "%s: expected %g, got %g", reductions[i], want[i], y[0]);
  }
  uint8_t u[4] = {3, 250, 0, 7}, uy[1];
  int8_t s[4] = {3, -128, 127, 7}, sy[1];
  for (int i = 2; i < 4; ++i) {
    kh_case c = kh_new(reductions[i]), d = kh_new(reductions[i]);
    kh_in(&c, KH(QE_DT_U8, u, 4));
    kh_out(&c, KH_SCALAR(QE_DT_U8, uy));
    kh_in(&d, KH(QE_DT_I8, s, 4));
    kh_out(&d, KH_SCALAR(QE_DT_I8, sy));
    c.params.axes = d.params.axes = 1;
    kh_run(&c);
    kh_run(&d);
    cr_assert_eq(uy[0], i == 2 ? 250 : 0);
    cr_assert_eq(sy[0], i == 2 ? 127 : -128);
  }
  kh_case refused = kh_new("ReduceSum");
  kh_in(&refused, KH(QE_DT_U8, u, 4));
  kh_out(&refused, KH_SCALAR(QE_DT_U8, uy));
  refused.params.axes = 1;
  kh_refused(&refused, "uint8");
}
