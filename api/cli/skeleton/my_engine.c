/*
 * my_engine: an engine for qengine, in one file.
 *
 * Kernels: the int8 matrix product (Gemm and MatMul: uint8 activations, int8 weights, uint8 results) and float Relu.
 * Observer: my_engine_pow2, which gives tensors scales that are powers of two.
 *
 * The only symbol exported is qe_plugin_query, at the end. Nothing here is global but constants: kernels run on many
 * threads at once, and everything they need comes in as arguments.
 */
#include <stdio.h>
#include <string.h>

#include <qengine_plugin.h>

/* What create makes and every other function gets back as `self`. */
typedef struct engine {
  const qe_host *host;
} engine;

static int64_t ceil_div(int64_t a, int64_t b) {
  return a / b + (a % b != 0);
}

/* ---- the int8 matrix product ------------------------------------------------------------------------------------- */

/*
 * y[i][j] = clamp(rne((float)acc * m[j]) + zy),  acc = sum over k of (a[i][k] - za) * (b[k][j] - zb[j]) + bias,
 * m[j] = (sa * sb[j]) / sy. The sum is exact in int32; every float operation is rounded once, in the order written.
 *
 * A tile is ROWS x COLS elements of y, computed in blocks of MR x NR. B is packed into panels of NR columns, for each k
 * the NR values of (b - zb) as int16, so that the inner loop reads memory in order and needs no zero point.
 */
enum { MR = 4, NR = 16, ROWS = 64, COLS = 256, PANELS = COLS / NR };

typedef struct product {
  int64_t m, n, k, batches;
  int64_t a_row, a_col, b_row, b_col; /* strides in elements */
  int packed_once;                    /* B is one constant matrix: packed when the plan is made, not in every run */
} product;

/* Dimensions counted from the end, 1 being the last; those that are not there have size 1. */
static int64_t dim(const qe_operand *o, int from_end) {
  return from_end <= o->rank ? o->dims[o->rank - from_end] : 1;
}
static int64_t stride(const qe_operand *o, int from_end) {
  return from_end <= o->rank ? o->strides[o->rank - from_end] : 0;
}

static const qe_operand *bias_of(const qe_problem *p) {
  return p->n_in > 2 ? p->in[2] : NULL;
}

static int is_gemm(const qe_problem *p) {
  return strcmp(p->op, "Gemm") == 0;
}

static int transposes_b(const qe_problem *p) {
  return is_gemm(p) && p->params->trans_b;
}

static product product_of(const qe_problem *p) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  const int ta = is_gemm(p) && p->params->trans_a, tb = transposes_b(p);
  const int vector = b->rank == 1; /* MatMul by a vector: a matrix of one column, whose dimension is not there */
  const int b_row = tb || vector ? 1 : 2, b_col = vector ? QE_MAX_RANK + 1 : tb ? 2 : 1;
  product g = {.m = dim(a, ta ? 1 : 2),
               .n = dim(b, b_col),
               .k = dim(a, ta ? 2 : 1),
               .batches = 1,
               .a_row = stride(a, ta ? 1 : 2),
               .a_col = stride(a, ta ? 2 : 1),
               .b_row = stride(b, b_row),
               .b_col = stride(b, b_col),
               .packed_once = b->data != NULL && b->rank <= 2};
  for (int i = 3; i <= QE_MAX_RANK; i++) g.batches *= dim(a, i) == 1 ? dim(b, i) : dim(a, i);
  return g;
}

/* Where the operands of a batch begin; dimensions of size 1 repeat. */
static void batch_offsets(const qe_problem *p, int64_t batch, int64_t *at_a, int64_t *at_b) {
  const qe_operand *a = p->in[0], *b = p->in[1];
  *at_a = *at_b = 0;
  for (int i = 3; i <= QE_MAX_RANK; i++) {
    const int64_t size = dim(a, i) == 1 ? dim(b, i) : dim(a, i), index = batch % size;
    if (dim(a, i) > 1) *at_a += index * stride(a, i);
    if (dim(b, i) > 1) *at_b += index * stride(b, i);
    batch /= size;
  }
}

/* The largest |code - zero point|. */
static int64_t reach(const qe_operand *o, int32_t lowest, int32_t highest) {
  int64_t most = 0;
  for (uint32_t i = 0; i < o->q_count; i++) {
    const int64_t down = (int64_t)o->zero_points[i] - lowest, up = (int64_t)highest - o->zero_points[i];
    most = down > most ? down : most;
    most = up > most ? up : most;
  }
  return most;
}

/* No is a proper answer; yes is a promise that plan, prepack and run keep. */
static int product_supports(void *self, const qe_problem *p, char *reason, size_t size) {
  const qe_operand *a = p->in[0], *b = p->in[1], *c = bias_of(p), *y = p->out[0];
  const product g = product_of(p);
  const int channels_from_end = transposes_b(p) ? 2 : 1;
  (void)self;
  if (a->q_count != 1 || y->q_count != 1 || b->q_count == 0) {
    snprintf(reason, size, "A and Y need one scale each, B one or one for each column");
    return 0;
  }
  if (b->q_count > 1 && (b->q_count != g.n || b->q_axis != b->rank - channels_from_end || b->rank < 2)) {
    snprintf(reason, size, "B has %u scales along dimension %d, expected one for each of %lld columns",
             (unsigned)b->q_count, (int)b->q_axis, (long long)g.n);
    return 0;
  }
  if (c && c->dtype != QE_DT_I32) {
    snprintf(reason, size, "the bias has type %d, expected int32", c->dtype);
    return 0;
  }
  if (is_gemm(p) && (p->params->alpha != 1.0f || (c && p->params->beta != 1.0f))) {
    snprintf(reason, size, "alpha is %g and beta %g, expected 1", (double)p->params->alpha, (double)p->params->beta);
    return 0;
  }
  /* The host looks at constant weights itself; for others only the kernel can promise that the sum fits. */
  const int64_t most = reach(a, 0, 255) * reach(b, -128, 127);
  if (!b->data && most > 0 && g.k > INT32_MAX / most) {
    snprintf(reason, size, "a sum of %lld products of up to %lld could leave int32", (long long)g.k, (long long)most);
    return 0;
  }
  return 1;
}

static int64_t panel_size(const product *g) {
  return g->k * NR;
}

/* Packed memory: the multipliers, padded to whole cache lines, then the panels. */
static int64_t multiplier_bytes(const product *g) {
  return ceil_div(g->n, 16) * 64;
}

static int product_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  const product g = product_of(p);
  const int64_t panels = ceil_div(g.n, NR), own = g.packed_once ? 0 : panels < PANELS ? panels : PANELS;
  (void)self;
  plan->tiles = g.batches * ceil_div(g.m, ROWS) * ceil_div(g.n, COLS);
  plan->packed_size = (uint64_t)(multiplier_bytes(&g) + (g.packed_once ? 2 * panels * panel_size(&g) : 0));
  plan->scratch_size = (uint64_t)(2 * (g.k * MR + own * panel_size(&g)));
  return 0;
}

static void pack_panel(const product *g, const qe_operand *b, const int8_t *codes, int64_t panel, int16_t *to) {
  for (int64_t k = 0; k < g->k; k++) {
    for (int64_t c = 0; c < NR; c++) {
      const int64_t col = panel * NR + c;
      if (col >= g->n) {
        to[k * NR + c] = 0;
        continue;
      }
      const int32_t zero = b->zero_points[b->q_count > 1 ? col : 0];
      to[k * NR + c] = (int16_t)(codes[k * g->b_row + col * g->b_col] - zero);
    }
  }
}

static int product_prepack(void *self, const qe_problem *p, void *packed) {
  const qe_operand *a = p->in[0], *b = p->in[1], *y = p->out[0];
  const product g = product_of(p);
  float *multipliers = packed;
  int16_t *panels = (int16_t *)((char *)packed + multiplier_bytes(&g));
  (void)self;
  memset(multipliers, 0, (size_t)multiplier_bytes(&g));
  for (int64_t col = 0; col < g.n; col++) {
    const float scales = a->scales[0] * b->scales[b->q_count > 1 ? col : 0];
    multipliers[col] = scales / y->scales[0];
  }
  for (int64_t i = 0; g.packed_once && i < ceil_div(g.n, NR); i++)
    pack_panel(&g, b, b->data, i, panels + i * panel_size(&g));
  return 0;
}

/* MR rows of A as int16 without their zero point, the MR values of a k beside each other; zeros below the last row. */
static void pack_rows(const product *g, int32_t zero, const uint8_t *codes, int64_t row, int64_t rows, int16_t *to) {
  for (int64_t r = 0; r < MR; r++)
    for (int64_t k = 0; k < g->k; k++)
      to[k * MR + r] = (int16_t)(r < rows ? codes[(row + r) * g->a_row + k * g->a_col] - zero : 0);
}

/* The inner loop. This is what to replace with your machine's instructions. */
static void multiply(int64_t k, const int16_t *a, const int16_t *b, int32_t acc[MR][NR]) {
  memset(acc, 0, sizeof(int32_t) * MR * NR);
  for (int64_t i = 0; i < k; i++)
    for (int r = 0; r < MR; r++)
      for (int c = 0; c < NR; c++) acc[r][c] += a[i * MR + r] * b[i * NR + c];
}

/*
 * Codes are clamped before they are rounded, which is the same because the bounds are whole numbers. Adding and
 * subtracting 1.5 * 2^23 then rounds half to even.
 */
static uint8_t code_of(float v, int32_t zero, int32_t lo, int32_t hi) {
  const float magic = 12582912.0f, low = (float)(lo - zero), high = (float)(hi - zero);
  v = v == v ? v : 0.0f; /* not a number: 0 times an infinite multiplier */
  v = v < low ? low : v;
  v = v > high ? high : v;
  return (uint8_t)((int32_t)((v + magic) - magic) + zero);
}

/* Where a run writes and what it adds. */
typedef struct finish {
  const float *multipliers;
  const int32_t *bias;
  int64_t bias_row, bias_col;
  int32_t zero, lo, hi;
} finish;

static finish finish_of(const qe_call *call) {
  const qe_problem *p = call->problem;
  const qe_operand *c = bias_of(p);
  return (finish){.multipliers = call->packed,
                  .bias = c ? call->in[2] : NULL,
                  .bias_row = c && dim(c, 2) > 1 ? stride(c, 2) : 0,
                  .bias_col = c && dim(c, 1) > 1 ? stride(c, 1) : 0,
                  .zero = p->out[0]->zero_points[0],
                  .lo = p->clamp_lo > 0 ? p->clamp_lo : 0,
                  .hi = p->clamp_hi < 255 ? p->clamp_hi : 255};
}

/* One row of a block: columns [col, col + n) of y's row `row`. */
static void store(const finish *f, const int32_t *acc, int64_t row, int64_t col, int64_t n, uint8_t *y) {
  for (int64_t j = 0; j < n; j++) {
    const int32_t bias = f->bias ? f->bias[row * f->bias_row + (col + j) * f->bias_col] : 0;
    const int32_t sum = (int32_t)((uint32_t)acc[j] + (uint32_t)bias);
    y[j] = code_of((float)sum * f->multipliers[col + j], f->zero, f->lo, f->hi);
  }
}

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Writes nothing but its tiles and scratch: other threads are writing the others at the same time. */
static int product_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const product g = product_of(p);
  const finish f = finish_of(call);
  const int16_t *packed = (const int16_t *)((const char *)call->packed + multiplier_bytes(&g));
  const int64_t down = ceil_div(g.m, ROWS), across = ceil_div(g.n, COLS), size = panel_size(&g);
  int16_t *rows = call->scratch, *own = rows + g.k * MR;
  (void)self;
  for (int64_t tile = tile_begin; tile < tile_end; tile++) {
    const int64_t batch = tile / across / down, row_0 = tile / across % down * ROWS, first = tile % across * PANELS;
    const int64_t row_end = least(row_0 + ROWS, g.m), panel_end = least(first + PANELS, ceil_div(g.n, NR));
    int64_t at_a, at_b;
    batch_offsets(p, batch, &at_a, &at_b);
    for (int64_t i = first; !g.packed_once && i < panel_end; i++)
      pack_panel(&g, p->in[1], (const int8_t *)call->in[1] + at_b, i, own + (i - first) * size);
    const int16_t *panels = g.packed_once ? packed + first * size : own;
    for (int64_t row = row_0; row < row_end; row += MR) {
      const int64_t count = least(MR, row_end - row);
      pack_rows(&g, p->in[0]->zero_points[0], (const uint8_t *)call->in[0] + at_a, row, count, rows);
      for (int64_t i = first; i < panel_end; i++) {
        const int64_t col = i * NR, cols = least(NR, g.n - col);
        int32_t acc[MR][NR];
        multiply(g.k, rows, panels + (i - first) * size, acc);
        for (int64_t r = 0; r < count; r++)
          store(&f, acc[r], row + r, col, cols, (uint8_t *)call->out[0] + (batch * g.m + row + r) * g.n + col);
      }
    }
  }
  return 0;
}

/* ---- float Relu -------------------------------------------------------------------------------------------------- */

enum { FLAT_TILE = 16384 };

static int relu_plan(void *self, const qe_problem *p, qe_kernel_plan *plan) {
  (void)self;
  plan->tiles = ceil_div(p->out[0]->count, FLAT_TILE);
  plan->flags = QE_PLAN_INPLACE;
  return 0;
}

/* The key says QE_LAYOUT_SAME: x and y lie in memory in one order, without gaps. */
static int relu_run(void *self, const qe_call *call, int64_t tile_begin, int64_t tile_end) {
  const qe_problem *p = call->problem;
  const int64_t end = tile_end * FLAT_TILE < p->out[0]->count ? tile_end * FLAT_TILE : p->out[0]->count;
  const float lo = p->act_lo, hi = p->act_hi, *x = call->in[0];
  float *y = call->out[0];
  (void)self;
  for (int64_t i = tile_begin * FLAT_TILE; i < end; i++) {
    const float v = x[i] < 0.0f ? 0.0f : x[i]; /* not a number stays what it is */
    y[i] = v < lo ? lo : v > hi ? hi : v;
  }
  return 0;
}

/* ---- the observer ------------------------------------------------------------------------------------------------ */

typedef struct pow2_state {
  qe_observer_args args;
  float min, max;
  uint64_t batches;
} pow2_state;

static int pow2_init(void *self, void *state, const qe_observer_args *args) {
  const engine *e = self;
  pow2_state *s = state;
  if (args->per_channel || (int64_t)args->quant_max - args->quant_min > 65535) {
    e->host->error(e->host->ctx, "my_engine_pow2 gives one scale per tensor, for codes of up to 16 bits");
    return 1;
  }
  s->args = *args;
  return 0;
}

/* Batches are finite: the host checks before it calls. */
static int pow2_observe(void *self, void *state, const float *x, uint32_t rank, const int64_t *dims) {
  pow2_state *s = state;
  int64_t count = 1;
  (void)self;
  for (uint32_t i = 0; i < rank; i++) count *= dims[i];
  for (int64_t i = 0; i < count; i++) { /* min and max begin at 0: real 0 always has a code */
    s->min = x[i] < s->min ? x[i] : s->min;
    s->max = x[i] > s->max ? x[i] : s->max;
  }
  s->batches++;
  return 0;
}

static int pow2_merge(void *self, void *state, const void *other) {
  pow2_state *s = state;
  const pow2_state *o = other;
  (void)self;
  s->min = o->min < s->min ? o->min : s->min;
  s->max = o->max > s->max ? o->max : s->max;
  s->batches += o->batches;
  return 0;
}

/* The power of two that is not below v: the next exponent where the mantissa is not 0. */
static float pow2_above(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  if (bits & 0x007fffffu) bits = (bits & 0x7f800000u) + 0x00800000u;
  if (bits > 0x7f000000u) bits = 0x7f000000u; /* 2^127, the largest there is */
  memcpy(&v, &bits, sizeof v);
  return v;
}

static int pow2_qparams(void *self, const void *state, uint32_t capacity, float *scales, int32_t *zeros,
                        uint32_t *count) {
  const pow2_state *s = state;
  const qe_observer_args *a = &s->args;
  const float span = (float)a->quant_max - (float)a->quant_min, magic = 12582912.0f;
  (void)self;
  *count = s->batches ? 1 : 0; /* nothing was seen: no parameters */
  if (*count == 0 || capacity == 0) return 0;
  const float reach = s->max > -s->min ? s->max : -s->min;
  float scale = a->symmetric ? reach / (span / 2) : s->max / span - s->min / span;
  scale = pow2_above(scale > a->eps ? scale : a->eps);
  const int32_t middle = a->dtype == QE_DT_U8 || a->dtype == QE_DT_U16 ? (a->quant_min + a->quant_max + 1) / 2 : 0;
  const int32_t zero = a->quant_min - (int32_t)((s->min / scale + magic) - magic);
  scales[0] = scale;
  zeros[0] = a->symmetric ? middle : zero > a->quant_max ? a->quant_max : zero;
  return 0;
}

static int pow2_save(void *self, const void *state, void *buffer, size_t *size) {
  const pow2_state *s = state;
  (void)self;
  *size = 16;
  if (!buffer) return 0;
  memcpy(buffer, &s->min, 4);
  memcpy((char *)buffer + 4, &s->max, 4);
  memcpy((char *)buffer + 8, &s->batches, 8);
  return 0;
}

static int pow2_load(void *self, void *state, const void *buffer, size_t size) {
  pow2_state *s = state;
  (void)self;
  if (size != 16) return 1;
  memcpy(&s->min, buffer, 4);
  memcpy(&s->max, (const char *)buffer + 4, 4);
  memcpy(&s->batches, (const char *)buffer + 8, 8);
  return 0;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

#define PRODUCT_KERNEL(op_, name_)                                                                                 \
  {                                                                                                                \
    .struct_size = sizeof(qe_kernel), .name = name_, .exactness = QE_EXACT_E0, .mr = MR, .nr = NR, .kr = 1,        \
    .key = {.op = op_, .in = {QE_DT_U8, QE_DT_I8, QE_DT_ANY}, .out = QE_DT_U8, .quantized = 1},                    \
    .supports = product_supports, .plan = product_plan, .prepack = product_prepack, .run = product_run             \
  }

static const qe_kernel kernels[] = {
    PRODUCT_KERNEL("Gemm", "gemm_u8s8_4x16__c"),
    PRODUCT_KERNEL("MatMul", "matmul_u8s8_4x16__c"),
    {.struct_size = sizeof(qe_kernel),
     .name = "relu_f32__c",
     .exactness = QE_EXACT_E0,
     .key = {.op = "Relu", .in = {QE_DT_F32}, .out = QE_DT_F32, .layout = QE_LAYOUT_SAME},
     .plan = relu_plan,
     .run = relu_run},
};

static const qe_observer observers[] = {
    {.struct_size = sizeof(qe_observer),
     .name = "my_engine_pow2",
     .state_size = sizeof(pow2_state),
     .init = pow2_init,
     .observe = pow2_observe,
     .merge = pow2_merge,
     .qparams = pow2_qparams,
     .save = pow2_save,
     .load = pow2_load},
};

/* What `qengine quantize --qconfig my_engine` uses. */
static const char default_qconfig[] =
    "{ \"schema_version\": 1,\n"
    "  \"global\": {\n"
    "    \"activation\": { \"observer\": \"my_engine_pow2\", \"dtype\": \"uint8\" },\n"
    "    \"weight\": { \"observer\": \"per_channel_min_max\", \"dtype\": \"int8\", \"ch_axis\": -1,\n"
    "                \"qscheme\": \"per_channel_symmetric\", \"quant_min\": -127, \"quant_max\": 127 } } }\n";

static int create(const qe_host *host, void **self) {
  engine *e = host->alloc(host->ctx, sizeof *e, 16);
  if (!e) {
    host->error(host->ctx, "out of memory");
    return 1;
  }
  e->host = host;
  *self = e;
  return 0;
}

static void destroy(void *self) {
  engine *e = self;
  e->host->free(e->host->ctx, e);
}

static const qe_plugin plugin = {
    .magic = QE_PLUGIN_MAGIC,
    .struct_size = sizeof(qe_plugin),
    .abi_major = QE_ABI_MAJOR,
    .abi_minor = QE_ABI_MINOR,
    .sanitizer = QE_PLUGIN_SANITIZER,
    .engine = "my_engine",
    .vendor = "my_engine's vendor",
    .version = "0.1.0",
    .build_id = "",
    .license = "unspecified",
    .priority = -1, /* below the reference (0): used when it is named */
    .kernel_count = sizeof kernels / sizeof kernels[0],
    .kernel_stride = sizeof(qe_kernel),
    .kernels = kernels,
    .observer_count = sizeof observers / sizeof observers[0],
    .observer_stride = sizeof(qe_observer),
    .observers = observers,
    .default_qconfig = default_qconfig,
    .create = create,
    .destroy = destroy,
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor);

const qe_plugin *qe_plugin_query(uint16_t host_major, uint16_t host_minor) {
  (void)host_minor;
  return host_major == QE_ABI_MAJOR ? &plugin : NULL;
}
