/* The advice in words. See advise.h. */
#include <stdarg.h>
#include <stdlib.h>

#include "advise.h"

void advise_reason(advice *a, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int length = vsnprintf(NULL, 0, format, args);
  char *text = cli_calloc((size_t)length + 1, 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  va_end(args);
  if (a->n_reasons < sizeof a->reasons / sizeof a->reasons[0])
    a->reasons[a->n_reasons++] = text;
  else
    free(text);
}

static double percent(double share) {
  return 100.0 * share;
}

static double share_of(const advice *a, advise_bound bound, int flow) {
  double all = 0.0;
  for (size_t i = 0; i < a->n_layers; i++)
    if (a->layers[i].macs && a->layers[i].bound == bound && a->layers[i].covered[flow]) all += a->layers[i].share;
  return all;
}

void advise_explain_suits(advice *a) {
  const double s = a->flows[ADVISE_STATIC].coverage, d = a->flows[ADVISE_DYNAMIC].coverage;
  const double weights = share_of(a, ADVISE_BY_WEIGHTS, ADVISE_DYNAMIC);
  switch (a->suits) {
    case ADVISE_STAY_FLOAT:
      advise_reason(a, "nothing to gain: layers that could work on 8-bit codes take %.0f %% of the float time",
                    percent(s > d ? s : d));
      return;
    case ADVISE_USE_DYNAMIC:
      advise_reason(
          a,
          "linear and recurrent layers take %.0f %% of the float time; in the dynamic flow they work on 8-bit "
          "codes, without calibration data",
          percent(d));
      if (weights >= 0.5)
        advise_reason(
            a,
            "weight-bandwidth-bound: reading weights that few multiply-adds use holds up %.0f %% of the time; "
            "int8 weights are a quarter of the bytes",
            percent(weights));
      return;
    case ADVISE_MIX:
      advise_reason(
          a,
          "the static flow covers %.0f %% of the float time, the dynamic flow %.0f %%, and not the same layers: "
          "each layer gets the flow that knows it",
          percent(s), percent(d));
      return;
    default:
      advise_reason(a,
                    "layers that take %.0f %% of the float time work on 8-bit codes in the static flow, %.0f %% in the "
                    "dynamic flow",
                    percent(s), percent(d));
      if (share_of(a, ADVISE_BY_ACTIVATIONS, ADVISE_STATIC) >= 0.3)
        advise_reason(a, "activation-bound: values that layers pass on are a quarter of the bytes as codes");
      return;
  }
}
