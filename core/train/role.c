/* See role.h. */
#include "train/role.h"

static const struct {
  uint16_t op;
  uint8_t input, role;
} ROLES[] = {
    {QE__OP_Conv,                  1, QE__ROLE_WEIGHT   },
    {QE__OP_Conv,                  2, QE__ROLE_BIAS     },
    {QE__OP_ConvTranspose,         1, QE__ROLE_WEIGHT   },
    {QE__OP_ConvTranspose,         2, QE__ROLE_BIAS     },
    {QE__OP_Gemm,                  1, QE__ROLE_WEIGHT   },
    {QE__OP_Gemm,                  2, QE__ROLE_BIAS     },
    {QE__OP_MatMul,                1, QE__ROLE_WEIGHT   },
    {QE__OP_MatMul,                2, QE__ROLE_BIAS     },
    {QE__OP_BatchNormalization,    1, QE__ROLE_SCALE    },
    {QE__OP_BatchNormalization,    2, QE__ROLE_SHIFT    },
    {QE__OP_BatchNormalization,    3, QE__ROLE_MEAN     },
    {QE__OP_BatchNormalization,    4, QE__ROLE_VARIANCE },
    {QE__OP_InstanceNormalization, 1, QE__ROLE_SCALE    },
    {QE__OP_InstanceNormalization, 2, QE__ROLE_SHIFT    },
    {QE__OP_LayerNormalization,    1, QE__ROLE_SCALE    },
    {QE__OP_LayerNormalization,    2, QE__ROLE_SHIFT    },
    {QE__OP_GroupNormalization,    1, QE__ROLE_SCALE    },
    {QE__OP_GroupNormalization,    2, QE__ROLE_SHIFT    },
    {QE__OP_PRelu,                 1, QE__ROLE_SLOPE    },
    {QE__OP_Gather,                0, QE__ROLE_TABLE    },
    {QE__OP_LSTM,                  1, QE__ROLE_RECURRENT},
    {QE__OP_LSTM,                  2, QE__ROLE_RECURRENT},
    {QE__OP_LSTM,                  3, QE__ROLE_BIAS     },
    {QE__OP_LSTM,                  7, QE__ROLE_RECURRENT}, /* peepholes */
    {QE__OP_GRU,                   1, QE__ROLE_RECURRENT},
    {QE__OP_GRU,                   2, QE__ROLE_RECURRENT},
    {QE__OP_GRU,                   3, QE__ROLE_BIAS     },
    {QE__OP_RNN,                   1, QE__ROLE_RECURRENT},
    {QE__OP_RNN,                   2, QE__ROLE_RECURRENT},
    {QE__OP_RNN,                   3, QE__ROLE_BIAS     },
};

/* The other operand comes out of a product or convolution. */
static bool adds_to_product(const qe__graph *g, const qe__uses *uses, const qe__node *n, uint32_t index) {
  if (n->n_in != 2 || n->in[1 - index] == QE__NO_VALUE) return false;
  const int32_t producer = uses->producer[n->in[1 - index]];
  if (producer < 0) return false;
  switch (g->nodes[producer]->op->id) {
    case QE__OP_MatMul:
    case QE__OP_Gemm:
    case QE__OP_Conv:
    case QE__OP_ConvTranspose: return true;
    default: return false;
  }
}

qe__role qe__node_role(const qe__graph *g, const qe__uses *uses, const qe__node *n, uint32_t index) {
  for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++) {
    if (ROLES[i].op == n->op->id && ROLES[i].input == index) return (qe__role)ROLES[i].role;
  }
  const qe__value *v = &g->values[n->in[index]];
  if (n->op->id == QE__OP_Add && v->rank == 1 && adds_to_product(g, uses, n, index)) return QE__ROLE_BIAS;
  return QE__ROLE_NONE;
}
