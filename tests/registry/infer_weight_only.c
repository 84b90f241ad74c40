/* Ops whose weights alone are codes: MatMulNBits, Embedding, EmbeddingBag. */
#include <criterion/criterion.h>

#include "infer_case.h"

Test(registry_weight_only, matmul_nbits) {
  static const infer_case cases[] = {
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15]", "K=40 N=5 block_size=16", "f32[3,5]"},
    {"MatMulNBits", "f32[40] u8[5,3,8] f32[5,3] u8[10]", "K=40 N=5 bits=4 block_size=16", "f32[5]"},
    {"MatMulNBits", "f32[2,3,40] u8[5,3,16] f32[15] u8[5,3] - f32[5]", "K=40 N=5 bits=8 block_size=16", "f32[2,3,5]"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15] f32[15]", "K=40 N=5 block_size=16 accuracy_level=4", "f32[3,5]"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15]", "N=5 block_size=16", "! 'K' is 0 or missing"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15]", "K=40 N=5", "! 'block_size' is 0 or missing"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15]", "K=40 N=5 block_size=24", "! a power of 2"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15]", "K=40 N=5 block_size=8", "! from 16 on"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15]", "K=40 N=5 bits=2 block_size=16", "! 4 and 8 are supported"},
    {"MatMulNBits", "f32[3,41] u8[5,3,8] f32[15]", "K=40 N=5 block_size=16", "! attribute 'K', 40"},
    {"MatMulNBits", "f32[3,40] u8[5,2,8] f32[15]", "K=40 N=5 block_size=16", "! [5,3,8] was expected"},
    {"MatMulNBits", "f32[3,40] u8[5,24] f32[15]", "K=40 N=5 block_size=16", "! [5,3,8] was expected"},
    {"MatMulNBits", "f32[3,40] i8[5,3,8] f32[15]", "K=40 N=5 block_size=16", "! input 1 is int8"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[14]", "K=40 N=5 block_size=16", "! 15 elements were expected"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f16[15]", "K=40 N=5 block_size=16", "! (scales) is float16"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15] u8[15]", "K=40 N=5 block_size=16", "! 10 elements were expected"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15] i8[10]", "K=40 N=5 block_size=16", "! uint8 (packed) or float32"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15] - i32[40]", "K=40 N=5 block_size=16", "! g_idx"},
    {"MatMulNBits", "f32[3,40] u8[5,3,8] f32[15] - - f32[4]", "K=40 N=5 block_size=16", "! [5] was expected"},
    {"MatMulNBits", "f16[3,40] u8[5,3,8] f32[15]", "K=40 N=5 block_size=16", "! (A) is float16"},
  };
  CHECK_CASES(cases);
}

Test(registry_weight_only, embedding) {
  static const infer_case cases[] = {
    {"Embedding", "u8[7,3] i64[] f32[7]", "", "f32[3]"},
    {"Embedding", "i8[7,3] i32[2,4] f32[7] f32[7]", "", "f32[2,4,3]"},
    {"Embedding", "u4[7,3] i64[0] f32[7]", "", "f32[0,3]"},
    {"Embedding", "f32[7,3] i64[2] f32[7]", "", "! input 0 is float32"},
    {"Embedding", "u8[21] i64[2] f32[7]", "", "! rank 2 was expected"},
    {"Embedding", "u8[7,3] f32[2] f32[7]", "", "! (indices) is float32"},
    {"Embedding", "u8[7,3] i64[2] f32[3]", "", "! (scale) has shape [3]; [7] was expected"},
    {"Embedding", "u8[7,3] i64[2] f32[7] f32[3]", "", "! (offset) has shape [3]"},
    {"Embedding", "u8[7,3] i64[2] f16[7]", "", "! (scale) is float16"},
    {"Embedding", "u8[7,3] i64[1,1,1,1,1,1,1,1] f32[7]", "", "! rank 9"},
  };
  CHECK_CASES(cases);
}

Test(registry_weight_only, embedding_bag) {
  static const infer_case cases[] = {
    {"EmbeddingBag", "f32[7,3] i64[5] i64[2]", "", "f32[2,3]"},
    {"EmbeddingBag", "u8[7,3] i32[5] i64[3] f32[7] f32[7]", "include_last_offset=1 mode='mean'", "f32[2,3]"},
    {"EmbeddingBag", "i4[7,3] i32[5] i32[0] f32[7] - f32[5]", "padding_idx=6", "f32[0,3]"},
    {"EmbeddingBag", "u8[7,3] i64[5] i64[2]", "", "! input 3 (scale) is missing"},
    {"EmbeddingBag", "f32[7,3] i64[5] i64[2] f32[7]", "", "! input 3 (scale) is given"},
    {"EmbeddingBag", "f32[7,3] i64[5] i64[2] - f32[7]", "", "! input 4 (offset) is given"},
    {"EmbeddingBag", "f32[7,3] i64[5] i64[2] - - f32[4]", "", "! (per_sample_weights) has shape [4]"},
    {"EmbeddingBag", "f32[7,3] i64[5] i64[2] - - f32[5]", "mode='max'", "! only mode 'sum' takes it"},
    {"EmbeddingBag", "f32[7,3] i64[5] i64[2]", "mode='median'", "! supported: sum, mean, max"},
    {"EmbeddingBag", "f32[7,3] i64[5] i64[2]", "padding_idx=7", "! 'padding_idx' is 7"},
    {"EmbeddingBag", "f32[7,3] i64[5] i64[2]", "padding_idx=-2", "! 'padding_idx' is -2"},
    {"EmbeddingBag", "f32[7,3] i64[5] i64[0]", "include_last_offset=1", "! (offsets) is empty"},
    {"EmbeddingBag", "f32[7,3] i64[5,1] i64[2]", "", "! rank 1 was expected"},
    {"EmbeddingBag", "f32[7,3] i64[5] f32[2]", "", "! (offsets) is float32"},
  };
  CHECK_CASES(cases);
}
