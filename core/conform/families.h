/* The families of ops that share a builder and the fields of their cases; one per row of conform/build_*.c. */
#ifndef QE_CORE_CONFORM_FAMILIES_H
#define QE_CORE_CONFORM_FAMILIES_H

#include "conform/case.h"

#define QE__FAMILIES(X)                                                                                                \
  X(conv)                                                                                                              \
  X(conv_transpose) X(conv_integer) X(gemm) X(matmul) X(matmul_integer) X(matmul_to_float) X(batch_norm) X(instance_norm) X(group_norm)   \
      X(layer_norm) X(softmax) X(unary) X(clip) X(prelu) X(binary) X(variadic) X(where) X(pool) X(global_pool)         \
          X(reduce) X(arg) X(cumsum) X(concat) X(split) X(slice) X(pad) X(view) X(reshape) X(flatten) X(squeeze)       \
              X(unsqueeze) X(transpose) X(gather) X(gather_elements) X(resize) X(expand) X(tile) X(blocks) X(trilu)    \
                  X(cast) X(constant_of_shape) X(range) X(one_hot) X(quantize) X(dequantize) X(dynamic_quantize)       \
                      X(lookup) X(relayout) X(recurrent) X(no_kernel) X(matmul_nbits) X(embedding) X(embedding_bag)  \
                          X(recurrent_dynamic)                                                                         \
  X(batch_norm_train) X(batch_norm_grad) X(layer_norm_grad) X(conv_weight_grad) X(pool_grad) X(gather_grad)            \
      X(cross_entropy) X(clip_grad) X(random_dropout) X(fake_quantize) X(fake_quantize_grad) X(min_max)                \
          X(moving_average_qparams) X(sgd_update) X(adam_update)

#define X(name) extern const qe__family qe__family_##name;
QE__FAMILIES(X)
#undef X

/* Attributes of a sliding window from fields s, d, p, pe. */
qe_status_t qe__build_window(qe__built *b, uint32_t n, const int64_t *kernel);
/* The shape of field `key` (a "SHAPE"); INVALID_ARGUMENT when it is not given. */
qe_status_t qe__build_shape(const qe__built *b, const char *key, uint32_t *rank, int64_t *dims);
/* The first input, of shape x and the case's first type. */
qe_status_t qe__build_x(qe__built *b);

#endif
