/* The order of samples: a permutation, the same for a seed and an epoch everywhere, every order as likely as any other. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/random.h"
#include "train/shuffle.h"

Test(shuffle, is_a_permutation_of_every_size) {
  for (int64_t n = 0; n < 70; n++) {
    int64_t order[70];
    char seen[70] = {0};
    qe__shuffle(7, 3, n, order);
    for (int64_t i = 0; i < n; i++) {
      cr_assert(order[i] >= 0 && order[i] < n && !seen[order[i]], "n %d, place %d: %d", (int)n, (int)i, (int)order[i]);
      seen[order[i]] = 1;
    }
  }
}

Test(shuffle, depends_on_seed_and_epoch_alone) {
  int64_t a[100], b[100];
  qe__shuffle(1, 5, 100, a);
  qe__shuffle(1, 6, 100, b);
  cr_assert_neq(memcmp(a, b, sizeof a), 0);
  qe__shuffle(2, 5, 100, b);
  cr_assert_neq(memcmp(a, b, sizeof a), 0);
  qe__shuffle(1, 5, 100, b);
  cr_assert_arr_eq(a, b, sizeof a);
  cr_assert_neq(qe__augment_stream(1, 5), qe__augment_stream(1, 6));
  cr_assert_neq(qe__augment_stream(1, 5), qe__augment_stream(2, 5));
}

/* Written down once: another machine must not find another order. */
Test(shuffle, known_order) {
  int64_t order[10];
  qe__shuffle(1, 0, 10, order);
  const int64_t expected[10] = {9, 5, 0, 3, 7, 4, 1, 8, 2, 6};
  for (int i = 0; i < 10; i++) cr_assert_eq(order[i], expected[i], "place %d: %d, expected %d", i, (int)order[i], (int)expected[i]);
}

/* 24 orders of four samples over 24000 epochs: chi-squared with 23 degrees of freedom stays below 60 (p about 4e-5). */
Test(shuffle, orders_are_equally_likely) {
  int count[256] = {0};
  double chi = 0;
  for (uint32_t epoch = 0; epoch < 24000; epoch++) {
    int64_t o[4];
    qe__shuffle(11, epoch, 4, o);
    count[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]]++;
  }
  int seen = 0;
  for (int i = 0; i < 256; i++) {
    if (count[i] == 0) continue;
    seen++;
    chi += ((double)count[i] - 1000.0) * ((double)count[i] - 1000.0) / 1000.0;
  }
  cr_assert_eq(seen, 24);
  cr_assert_lt(chi, 60.0, "chi-squared %g", chi);
}
