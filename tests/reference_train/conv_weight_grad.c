/* ConvWeightGrad: the contract's bits for any geometry, and slopes of a convolution in double precision. */
#include "check.h"

typedef struct conv {
  int64_t n, c, o, groups;
  int64_t in[3], kernel[3], stride[3], dilation[3], pad[3], out[3];
  uint32_t spatial;
} conv;

static int64_t product(const int64_t *v, uint32_t n) {
  int64_t p = 1;
  for (uint32_t d = 0; d < n; ++d)
    p *= v[d];
  return p;
}
static int64_t x_count(const conv *p) { return p->n * p->c * product(p->in, p->spatial); }
static int64_t y_count(const conv *p) { return p->n * p->o * product(p->out, p->spatial); }
static int64_t w_count(const conv *p) { return p->o * (p->c / p->groups) * product(p->kernel, p->spatial); }

static bool finish(conv *p) {
  for (uint32_t d = 0; d < p->spatial; ++d) {
    const int64_t room = p->in[d] + 2 * p->pad[d] - p->dilation[d] * (p->kernel[d] - 1) - 1;
    if (room < 0)
      return false;
    p->out[d] = room / p->stride[d] + 1;
  }
  return true;
}

/* Element of x's plane under tap number t at output position number at; -1: padding. */
static int64_t under(const conv *p, int64_t at, int64_t t) {
  int64_t index = 0, scale = 1;
  for (uint32_t d = p->spatial; d-- > 0;) {
    const int64_t i = at % p->out[d] * p->stride[d] - p->pad[d] + t % p->kernel[d] * p->dilation[d];
    if (i < 0 || i >= p->in[d])
      return -1;
    index += i * scale;
    scale *= p->in[d];
    at /= p->out[d];
    t /= p->kernel[d];
  }
  return index;
}

static void run(const conv *p, const float *dy, const float *x, float *dw) {
  int64_t xd[5] = {p->n, p->c}, yd[5] = {p->n, p->o}, wd[5] = {p->o, p->c / p->groups};
  kh_case c = kh_new("ConvWeightGrad");
  c.params.spatial = p->spatial;
  c.params.groups = p->groups;
  for (uint32_t d = 0; d < p->spatial; ++d) {
    xd[2 + d] = p->in[d];
    yd[2 + d] = p->out[d];
    wd[2 + d] = p->kernel[d];
    c.params.kernel[d] = p->kernel[d];
    c.params.stride[d] = p->stride[d];
    c.params.dilation[d] = p->dilation[d];
    c.params.pad_begin[d] = c.params.pad_end[d] = p->pad[d];
  }
  kh_in(&c, kh_tensor_make(QE_DT_F32, (void *)(uintptr_t)dy, 2 + p->spatial, yd));
  kh_in(&c, kh_tensor_make(QE_DT_F32, (void *)(uintptr_t)x, 2 + p->spatial, xd));
  kh_out(&c, kh_tensor_make(QE_DT_F32, dw, 2 + p->spatial, wd));
  kh_run(&c);
}

static void check(const conv *p, uint64_t seed) {
  const int64_t plane = product(p->in, p->spatial), positions = product(p->out, p->spatial),
                taps = product(p->kernel, p->spatial), ic = p->c / p->groups, oc = p->o / p->groups;
  uint64_t state = seed;
  float *x = ft_random(&state, x_count(p), -1.0f, 1.0f), *dy = ft_random(&state, y_count(p), -1.0f, 1.0f),
        *dw = ft_floats(w_count(p));
  run(p, dy, x, dw);
  for (int64_t i = 0; i < w_count(p); ++i) {
    const int64_t o = i / taps / ic, c = o / oc * ic + i / taps % ic, t = i % taps, length = p->n * positions;
    naive_dot d;
    memset(&d, 0, sizeof d);
    cr_assert(length <= 64 * 4096);
    for (int64_t k = 0; k < length; ++k) {
      const int64_t at = under(p, k % positions, t), n = k / positions;
      if (at >= 0)
        naive_add(&d, k, x[(n * p->c + c) * plane + at], dy[(n * p->o + o) * positions + k % positions]);
    }
    const float want = naive_total(&d, length);
    uint32_t bits[2];
    memcpy(bits, &want, 4);
    memcpy(bits + 1, dw + i, 4);
    cr_assert_eq(bits[0], bits[1], "element %ld: expected %.9g, got %.9g (seed %llu)", (long)i, (double)want,
                 (double)dw[i], (unsigned long long)seed);
  }
}

static conv plain(uint32_t spatial, int64_t n, int64_t c, int64_t o, int64_t groups, int64_t size, int64_t kernel) {
  conv p = {.n = n, .c = c, .o = o, .groups = groups, .spatial = spatial};
  for (uint32_t d = 0; d < spatial; ++d) {
    p.in[d] = size;
    p.kernel[d] = kernel;
    p.stride[d] = p.dilation[d] = 1;
    p.pad[d] = kernel / 2;
  }
  cr_assert(finish(&p));
  return p;
}

Test(reference_conv_weight_grad, shapes_of_networks) {
  const conv first = plain(2, 2, 3, 24, 1, 12, 3), inner = plain(2, 2, 40, 33, 1, 7, 3), point = plain(2, 3, 17, 20, 1, 9, 1),
             depthwise = plain(2, 2, 70, 70, 70, 9, 3), multiplied = plain(2, 2, 5, 10, 5, 6, 3),
             grouped = plain(2, 2, 24, 12, 4, 6, 3), line = plain(1, 2, 5, 4, 1, 50, 5), deep = plain(3, 2, 4, 3, 1, 5, 3),
             wide = plain(1, 1, 600, 3, 1, 4, 1);
  const conv *all[] = {&first, &inner, &point, &depthwise, &multiplied, &grouped, &line, &deep, &wide};
  for (uint64_t i = 0; i < sizeof all / sizeof all[0]; ++i)
    check(all[i], i);
}

Test(reference_conv_weight_grad, chunks_of_4096) {
  conv point = plain(2, 3, 4, 3, 1, 50, 1), window = plain(2, 2, 2, 9, 1, 65, 3), depthwise = plain(2, 2, 6, 6, 6, 65, 3);
  check(&point, 1);
  check(&window, 2);
  check(&depthwise, 3);
  conv exact = plain(2, 1, 2, 2, 1, 64, 1); /* one chunk to the last place */
  check(&exact, 4);
}

Test(reference_conv_weight_grad, nothing_to_add) {
  conv none = plain(2, 0, 3, 4, 1, 5, 3), no_channels = plain(2, 2, 0, 4, 1, 5, 3);
  check(&none, 1);
  check(&no_channels, 2);
  conv outside = plain(1, 2, 3, 4, 1, 1, 3); /* the outer taps lie in the padding everywhere */
  check(&outside, 3);
}

Test(reference_conv_weight_grad, random_geometry) {
  int tried = 0;
  for (uint64_t seed = 1; tried < 100; ++seed) {
    uint64_t s = seed;
    conv p = {.n = kh_int(&s, 1, 3), .groups = kh_int(&s, 0, 2) ? 1 : kh_int(&s, 2, 6), .spatial = (uint32_t)kh_int(&s, 1, 3)};
    p.c = p.groups * kh_int(&s, 1, p.groups > 1 ? 4 : 20);
    p.o = p.groups * kh_int(&s, 1, p.groups > 1 ? 4 : 20);
    for (uint32_t d = 0; d < p.spatial; ++d) {
      p.in[d] = kh_int(&s, 1, 8);
      p.kernel[d] = kh_int(&s, 1, 3);
      p.stride[d] = kh_int(&s, 1, 3);
      p.dilation[d] = kh_int(&s, 1, 2);
      p.pad[d] = kh_int(&s, 0, 2);
    }
    if (!finish(&p))
      continue;
    check(&p, seed);
    ++tried;
  }
}

typedef struct forward_data {
  const conv *p;
  double *x, *w, *dy;
} forward_data;

static double forward(void *arg) {
  const forward_data *f = arg;
  const conv *p = f->p;
  const int64_t plane = product(p->in, p->spatial), positions = product(p->out, p->spatial),
                taps = product(p->kernel, p->spatial), ic = p->c / p->groups, oc = p->o / p->groups;
  double loss = 0.0;
  for (int64_t i = 0; i < y_count(p); ++i) {
    const int64_t n = i / positions / p->o, o = i / positions % p->o;
    for (int64_t k = 0; k < ic * taps; ++k) {
      const int64_t at = under(p, i % positions, k % taps);
      if (at >= 0)
        loss += f->dy[i] * f->w[o * ic * taps + k] * f->x[(n * p->c + o / oc * ic + k / taps) * plane + at];
    }
  }
  return loss;
}

Test(reference_conv_weight_grad, slopes) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    uint64_t s = seed;
    conv p = plain(2, 2, 4, 6, seed % 2 ? 1 : 2, 5, 3);
    p.stride[0] = kh_int(&s, 1, 2);
    p.dilation[1] = kh_int(&s, 1, 2);
    p.pad[1] = kh_int(&s, 0, 2);
    cr_assert(finish(&p));
    float *x = ft_random(&s, x_count(&p), -1.0f, 1.0f), *dy = ft_random(&s, y_count(&p), -1.0f, 1.0f),
          *dw = ft_floats(w_count(&p));
    run(&p, dy, x, dw);
    forward_data f = {&p, ft_widen(x, x_count(&p)), ft_doubles(w_count(&p)), ft_widen(dy, y_count(&p))};
    ft_check_gradient(forward, &f, f.w, dw, w_count(&p), 1e-5, "dw", seed);
  }
}
