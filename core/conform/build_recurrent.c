/*
 * Families of recurrent layers: LSTM, GRU, RNN in float and on codes, and their dynamic kin. Fields: t steps, n batch,
 * c inputs > hidden, alpha the clip threshold, mode the direction. flag: bit 0 batch first, 1 lengths, 2 initial
 * states, 3 peepholes, 4 the variant (input_forget, linear_before_reset), 5 other activations than the op's, and of
 * the dynamic ops 6 zero points anywhere. const 0: the weights are no constants.
 */
#include "conform/families.h"

enum { BATCH_FIRST = 1, LENGTHS = 2, STATES = 4, PEEPHOLES = 8, VARIANT = 16, ACTIVATIONS = 32, ANY_ZERO = 64 };

typedef struct layer {
  bool lstm, gru, dynamic;
  int64_t steps, batch, inputs, hidden, directions, rows, bits; /* rows: gates * hidden */
} layer;

static layer layer_of(const qe__built *b) {
  const uint16_t op = b->text.op;
  int64_t c[2] = {4, 4};
  if (qe__case_ints(&b->text, "c", 2, c) == 1) c[1] = c[0];
  layer l = {.lstm = op == QE__OP_LSTM || op == QE__OP_DynamicQuantizeLSTM,
             .gru = op == QE__OP_GRU || op == QE__OP_DynamicQuantizeGRU,
             .dynamic = op != QE__OP_LSTM && op != QE__OP_GRU && op != QE__OP_RNN,
             .steps = qe__case_int(&b->text, "t", 3),
             .batch = qe__case_int(&b->text, "n", 1),
             .inputs = c[0],
             .hidden = c[1],
             .directions = qe__case_is(&b->text, "mode", "bidirectional") ? 2 : 1,
             .bits = qe__case_int(&b->text, "flag", 0)};
  l.rows = (l.lstm ? 4 : l.gru ? 3 : 1) * l.hidden;
  return l;
}

static qe_status_t optional(qe__built *b, bool there, qe_dtype_t dtype, uint32_t rank, const int64_t *dims,
                            qe__fill fill) {
  return there ? qe__build_in(b, dtype, rank, dims, fill) : qe__build_absent(b);
}

/* B, sequence_lens, the initial states, and an LSTM's peepholes: the last input only where something follows it. */
static qe_status_t states(qe__built *b, const layer *l) {
  const bool first = (l->bits & BATCH_FIRST) != 0;
  const int64_t bias[2] = {l->directions, 2 * l->rows}, peepholes[2] = {l->directions, 3 * l->hidden},
                state[3] = {first ? l->batch : l->directions, first ? l->directions : l->batch, l->hidden};
  QE_TRY(optional(b, qe__case_int(&b->text, "bias", 1) != 0, QE_FLOAT32, 2, bias, QE__FILL_TABLE));
  QE_TRY(optional(b, (l->bits & LENGTHS) != 0, QE_INT32, 1, &l->batch, QE__FILL_LENGTH));
  b->in[4].limit = l->steps;
  for (int i = 0; i < (l->lstm ? 2 : 1); i++)
    QE_TRY(optional(b, (l->bits & STATES) != 0, QE_FLOAT32, 3, state, QE__FILL_TABLE));
  if (l->lstm && (l->dynamic || l->bits & PEEPHOLES))
    QE_TRY(optional(b, (l->bits & PEEPHOLES) != 0, QE_FLOAT32, 2, peepholes, QE__FILL_TABLE));
  return QE_OK;
}

static qe_status_t attributes(qe__built *b, const layer *l) {
  static const char *const lstm[6] = {"Sigmoid", "Relu", "Tanh", "Tanh", "Sigmoid", "Relu"},
                           *const gru[4] = {"Tanh", "Relu", "Relu", "Sigmoid"}, *const rnn[2] = {"Relu", "Sigmoid"};
  if (l->bits & BATCH_FIRST) QE_TRY(qe__node_set_int(b->node, "layout", 1));
  if (l->bits & VARIANT && (l->lstm || l->gru))
    QE_TRY(qe__node_set_int(b->node, l->gru ? "linear_before_reset" : "input_forget", 1));
  if (l->bits & ACTIVATIONS)
    QE_TRY(qe__node_set_strings(b->node, "activations", l->lstm ? lstm : l->gru ? gru : rnn,
                                (size_t)l->directions * (l->lstm ? 3u : l->gru ? 2u : 1u)));
  if (qe__case_text(&b->text, "mode"))
    QE_TRY(qe__node_set_string(b->node, "direction", qe__case_text(&b->text, "mode")));
  if (qe__case_text(&b->text, "alpha"))
    QE_TRY(qe__node_set_float(b->node, "clip", (float)qe__case_real(&b->text, "alpha", 1.0)));
  qe__build_out(b, b->quantized ? qe__case_dtype(&b->text, 2) : QE_DTYPE_NONE);
  for (int i = 1; i < (l->lstm ? 3 : 2); i++) qe__build_out(b, QE_DTYPE_NONE);
  return QE_OK;
}

static qe_status_t input(qe__built *b, const layer *l) {
  const bool first = (l->bits & BATCH_FIRST) != 0;
  const int64_t x[3] = {first ? l->batch : l->steps, first ? l->steps : l->batch, l->inputs};
  return qe__build_in(b, qe__case_dtype(&b->text, 0), 3, x, QE__FILL_DATA);
}

static qe_status_t build_recurrent(qe__built *b) {
  const layer l = layer_of(b);
  const int64_t w[3] = {l.directions, l.rows, l.inputs}, r[3] = {l.directions, l.rows, l.hidden};
  b->quantized = qe__case_dtype_count(&b->text) == 3;
  const qe_dtype_t weight = b->quantized ? qe__case_dtype(&b->text, 1) : QE_FLOAT32;
  const qe__fill fill = b->quantized ? QE__FILL_WEIGHT : QE__FILL_TABLE;
  QE_TRY(input(b, &l));
  QE_TRY(qe__build_in(b, weight, 3, w, fill));
  QE_TRY(qe__build_in(b, weight, 3, r, fill));
  b->in[1].constant = b->in[2].constant = qe__case_int(&b->text, "const", 1) != 0;
  QE_TRY(states(b, &l));
  return attributes(b, &l);
}

/* Scales that keep the largest sums below 80, where sigmoid is still a normal number, and zero points. */
static qe_status_t parameters(qe__built *b, const layer *l, qe_dtype_t codes, int64_t terms, bool constant,
                              uint64_t *seed) {
  const bool channels = qe__case_is(&b->text, "gran", "c");
  const int64_t dims[2] = {l->directions, l->rows};
  const float scale = 5.0f / (128.0f * (float)(terms > 4 ? terms : 4));
  for (int k = 0; k < 2; k++) {
    QE_TRY(qe__build_in(b, k == 0 ? QE_FLOAT32 : codes, channels ? 2 : 1, dims, QE__FILL_NONE));
    qe__case_operand *o = &b->in[b->n_in - 1];
    o->constant = constant;
    QE_TRY(qe_tensor_create(o->dtype, o->rank, o->dims, &o->data));
    for (int64_t i = 0; i < o->count; i++) {
      if (k == 0)
        ((float *)o->data->data)[i] = scale * qe__random_float(seed, 0.5f, 2.0f);
      else
        ((uint8_t *)o->data->data)[i] = l->bits & ANY_ZERO    ? (uint8_t)qe__random_int(seed, 0, 255)
                                        : codes == QE_UINT8 ? (uint8_t)qe__random_int(seed, 124, 132)
                                                            : 0;
    }
  }
  return QE_OK;
}

static qe_status_t build_dynamic(qe__built *b) {
  const layer l = layer_of(b);
  const int64_t w[3] = {l.directions, l.inputs, l.rows}, r[3] = {l.directions, l.hidden, l.rows};
  const qe_dtype_t codes = qe__case_dtype(&b->text, 1);
  const bool constant = qe__case_int(&b->text, "const", 1) != 0;
  uint64_t seed = b->seed ^ UINT64_C(0x5CA1E5);
  QE_TRY(input(b, &l));
  QE_TRY(qe__build_in(b, codes, 3, w, QE__FILL_WEIGHT));
  QE_TRY(qe__build_in(b, codes, 3, r, QE__FILL_WEIGHT));
  b->in[1].constant = b->in[2].constant = constant;
  QE_TRY(states(b, &l));
  QE_TRY(parameters(b, &l, codes, l.inputs, constant, &seed));
  QE_TRY(parameters(b, &l, codes, l.hidden, constant, &seed));
  return attributes(b, &l);
}

/* Steps are few, as results depend on all before; those of `must` with many are for engines that cut time into chunks. */
static const qe__axis recurrent_axes[] = {
    {"n",     "1 2 3 0 17"                   },
    {"c",     "3>4 @>@ 5>1 8>16 33>17"       },
    {"t",     "1 2 5 0"                      },
    {"mode",  "- reverse bidirectional"      },
    {"flag",  "- 1 2 4 7 8 16 15 32 47 63 51"},
    {"alpha", "- - 0.5"                      },
    {"bias",  "1 0"                          },
    {"gran",  "t c"                          },
    {"zp",    "- - lo,lo,lo,lo hi,hi,hi,hi 7,hi,lo,100"},
    {"const", "- - 0"                        },
    {"lay",   "- - gap"                      },
    {"pat",   "- min max alt ramp edge"      },
    {NULL,    NULL                           }
};
static const char *const recurrent_must[] = {"n2/c5>4/t3", "n1/c4>8/t4/mode=bidirectional", "n3/c3>3/t5/flag=6",
                                             "n2/c4>4/t3/flag=16", "n5/c20>33/t4/mode=bidirectional/flag=47/gran=c",
                                             "n17/c33>20/t2/flag=2/gran=c/pat=edge", "n7/c9>17/t60",
                                             "n7/c4>9/t60/mode=bidirectional/flag=6", NULL};
static const qe__axis dynamic_axes[] = {
    {"n",     "1 2 3 0 17"                             },
    {"c",     "3>4 @>@ 5>1 8>16 33>17 64>65"          },
    {"t",     "1 2 5 0"                               },
    {"mode",  "- reverse bidirectional"               },
    {"flag",  "- 1 2 4 8 16 32 64 67 79 103 127"       },
    {"alpha", "- - 0.5"                               },
    {"bias",  "1 0"                                   },
    {"gran",  "t c"                                   },
    {"const", "- - 0"                                 },
    {"lay",   "- - gap"                               },
    {"pat",   "- zero min max alt ramp edge special"  },
    {NULL,    NULL                                    }
};
static const char *const dynamic_must[] = {"n2/c5>4/t3",
                                           "n1/c4>8/t4/mode=bidirectional/gran=c",
                                           "n3/c3>3/t5/flag=6",
                                           "n2/c4>4/t3/flag=16",
                                           "n3/c7>9/t4/mode=bidirectional/flag=111/gran=c",
                                           "n2/c16>16/t3/flag=64/pat=edge",
                                           "n2/c9>33/t3/flag=66/pat=max",
                                           "n70/c12>20/t2/flag=2/gran=c",
                                           "n1/c130>64/t2/flag=64/pat=alt",
                                           "n2/c6>10/t3/mode=reverse/flag=83/gran=c/const=0",
                                           "n7/c5>6/t60/gran=c",
                                           "n7/c4>9/t60/mode=bidirectional/flag=70",
                                           NULL};

const qe__family qe__family_recurrent = {"n c t mode flag alpha bias gran zp const lay pat seed", build_recurrent,
                                         recurrent_axes, recurrent_must};
const qe__family qe__family_recurrent_dynamic = {"n c t mode flag alpha bias gran const lay pat seed", build_dynamic,
                                                 dynamic_axes, dynamic_must};
