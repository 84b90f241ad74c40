/* Names in qconfig files. */
#include "qconfig/names.h"

#include <string.h>

const qe__name qe__qscheme_names[] = {
    {"per_tensor_affine",     QE_PER_TENSOR_AFFINE    },
    {"per_channel_affine",    QE_PER_CHANNEL_AFFINE   },
    {"per_channel_affine_float_qparams", QE_PER_CHANNEL_AFFINE}, /* torch's, of embeddings */
    {"per_tensor_symmetric",  QE_PER_TENSOR_SYMMETRIC },
    {"per_channel_symmetric", QE_PER_CHANNEL_SYMMETRIC},
    {NULL,                    0                       }
};

const qe__name qe__method_names[] = {
    {"l2",         QE_HISTOGRAM_L2        },
    {"mse",        QE_HISTOGRAM_MSE       },
    {"percentile", QE_HISTOGRAM_PERCENTILE},
    {"entropy",    QE_HISTOGRAM_ENTROPY   },
    {"kl",         QE_HISTOGRAM_ENTROPY   },
    {NULL,         0                      }
};

static const char *const TORCH_OBSERVERS[][2] = {
    {"MinMaxObserver",                        "min_max"                           },
    {"MovingAverageMinMaxObserver",           "moving_average_min_max"            },
    {"PerChannelMinMaxObserver",              "per_channel_min_max"               },
    {"MovingAveragePerChannelMinMaxObserver", "moving_average_per_channel_min_max"},
    {"HistogramObserver",                     "histogram"                         },
    {"FixedQParamsObserver",                  "fixed_qparams"                     },
    {"PlaceholderObserver",                   "placeholder"                       },
    {"RecordingObserver",                     "recording"                         },
    {"NoopObserver",                          "noop"                              },
    {"ReuseInputObserver",                    "reuse_input"                       }
};

int qe__name_value(const qe__name *table, const char *name) {
  if (strncmp(name, "torch.", 6) == 0) name += 6;
  for (; table->name; table++) {
    if (strcmp(table->name, name) == 0) return table->value;
  }
  return -1;
}

const char *qe__name_of(const qe__name *table, int value) {
  for (; table->name; table++) {
    if (table->value == value) return table->name;
  }
  return "?";
}

const char *qe__observer_canonical(const char *name) {
  const char *dot = strncmp(name, "torch.", 6) == 0 ? strrchr(name, '.') : NULL;
  const char *last = dot ? dot + 1 : name;
  for (size_t i = 0; i < sizeof TORCH_OBSERVERS / sizeof TORCH_OBSERVERS[0]; i++) {
    if (strcmp(TORCH_OBSERVERS[i][0], last) == 0) return TORCH_OBSERVERS[i][1];
  }
  return name;
}
