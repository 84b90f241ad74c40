/*
 * States and parameters are the same bytes whatever the compiler, its options and the machine: their hash is fixed
 * here. A change of a state's format or of an observer's arithmetic changes it, and is then a change that users see.
 */
#include "base/memory.h"
#include "base/sha256.h"
#include "observe_util.h"

/* About normal, wider with every batch, a third of every other batch exactly zero; no library function involved. */
static void make_batch(float *x, int n, int batch, uint32_t *state) {
  const float factor = batch & 1 ? 1.75f : 0.25f;
  for (int i = 0; i < n; i++) {
    float v = -6.0f;
    for (int k = 0; k < 12; k++) {
      *state = *state * 1664525u + 1013904223u;
      v += (float)(*state >> 8) / 16777216.0f;
    }
    x[i] = batch % 2 && i % 3 == 0 ? 0.0f : v * (1.0f + (float)(batch * batch) * factor);
  }
}

Test(observe_same_bytes, states_and_parameters) {
  static const char *const kinds[] = {"min_max", "moving_average_min_max", "per_channel_min_max",
                                      "moving_average_per_channel_min_max", "histogram"};
  static const char *const want = "9eb9bc4ad944612472e2a67771ee7bee5db0882226071d2b8ada7223dcf393af";
  enum { N = 3000 };
  float x[N];
  qe__sha256_state sha;
  uint8_t digest[32];
  char text[65];
  qe__sha256_init(&sha);
  for (int k = 0; k < 5; k++) {
    for (int method = QE_HISTOGRAM_L2; method <= QE_HISTOGRAM_ENTROPY; method++) {
      qe_observer_config_t c = config_of(kinds[k]);
      uint32_t state = 7;
      c.method = (qe_histogram_method_t)method;
      qe__observer *o = new_observer(&c);
      for (int batch = 0; batch < 12; batch++) {
        qe__qparams q = {0};
        bool observed;
        make_batch(x, N, batch, &state);
        feed_shaped(o, x, 2, (int64_t[]){6, N / 6});
        const saved s = save_of(o);
        cr_assert_eq(qe__observer_qparams(o, &q, &observed), QE_OK, "%s", qe_last_error());
        qe__sha256_update(&sha, s.data, s.size);
        qe__sha256_update(&sha, q.scales, q.view.count * sizeof *q.scales);
        qe__sha256_update(&sha, q.zero_points, q.view.count * sizeof *q.zero_points);
        qe__free(s.data);
        qe__qparams_clear(&q);
      }
      qe__observer_destroy(&o);
    }
  }
  qe__sha256_final(&sha, digest);
  qe__sha256_text(digest, text);
  cr_assert_str_eq(text, want, "the hash is %s, expected %s", text, want);
}
