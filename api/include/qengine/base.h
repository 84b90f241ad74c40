/*
 * qengine/base.h - status codes, data types, logging, version.
 *
 * Rules of the whole API, said once:
 *  - Every function that can fail returns qe_status_t; qe_last_error() then holds the message of the calling
 *    thread, valid until that thread's next failing call. Nothing aborts.
 *  - Out parameters are set to NULL / 0 before anything else happens.
 *  - Functions named *_destroy / *_release take the address of the handle and set it to NULL; NULL is allowed.
 *  - Strings passed in are copied; strings passed out belong to the object they come from.
 *  - A handle may be used by one thread at a time unless its header says otherwise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef QENGINE_BASE_H
#define QENGINE_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QE_API __attribute__((visibility("default")))
#else
#define QE_API
#endif

#define QE_VERSION_MAJOR 0
#define QE_VERSION_MINOR 1
#define QE_VERSION_PATCH 0
#define QE_VERSION "0.1.0"

#ifndef QE_MAX_RANK
#define QE_MAX_RANK 8
#endif

/* name, text */
#define QE_STATUS_LIST(X)                                                     \
  X(OK, "ok")                                                                 \
  X(ERROR_INVALID_ARGUMENT, "invalid argument")                               \
  X(ERROR_OUT_OF_MEMORY, "out of memory")                                     \
  X(ERROR_IO, "input/output error")                                           \
  X(ERROR_FORMAT, "malformed data")                                           \
  X(ERROR_SHAPE, "shape mismatch")                                            \
  X(ERROR_DTYPE, "data type mismatch")                                        \
  X(ERROR_UNSUPPORTED, "unsupported")                                         \
  X(ERROR_NOT_FOUND, "not found")                                             \
  X(ERROR_EXISTS, "already exists")                                           \
  X(ERROR_ENGINE, "engine could not be loaded or used")                       \
  X(ERROR_PLACEMENT, "strict placement violated")                             \
  X(ERROR_NUMERIC, "numeric error")                                           \
  X(ERROR_STATE, "wrong state")                                               \
  X(ERROR_INTERRUPTED, "interrupted")                                         \
  X(ERROR_INTERNAL, "internal error")

typedef enum qe_status {
#define X(name, text) QE_##name,
  QE_STATUS_LIST(X)
#undef X
} qe_status_t;

/* "QE_ERROR_IO" -> "input/output error". Never NULL. */
QE_API const char *qe_status_text(qe_status_t status);
/* The calling thread's last error message, "" if none. Valid until the thread's next failing call. */
QE_API const char *qe_last_error(void);
/* The library's version, "0.1.0". */
QE_API const char *qe_version(void);

/* name, value (that of ONNX TensorProto.DataType), bits, text. Types without kernels yet may still be stored. */
#define QE_DTYPE_LIST(X)                                                      \
  X(FLOAT32, 1, 32, "float32")                                                \
  X(UINT8, 2, 8, "uint8")                                                     \
  X(INT8, 3, 8, "int8")                                                       \
  X(UINT16, 4, 16, "uint16")                                                  \
  X(INT16, 5, 16, "int16")                                                    \
  X(INT32, 6, 32, "int32")                                                    \
  X(INT64, 7, 64, "int64")                                                    \
  X(BOOL, 9, 8, "bool")                                                       \
  X(FLOAT16, 10, 16, "float16")                                               \
  X(FLOAT64, 11, 64, "float64")                                               \
  X(UINT32, 12, 32, "uint32")                                                 \
  X(UINT64, 13, 64, "uint64")                                                 \
  X(BFLOAT16, 16, 16, "bfloat16")                                             \
  X(UINT4, 21, 4, "uint4")                                                    \
  X(INT4, 22, 4, "int4")

typedef enum qe_dtype {
  QE_DTYPE_NONE = 0,
#define X(name, value, bits, text) QE_##name = value,
  QE_DTYPE_LIST(X)
#undef X
} qe_dtype_t;

/* "float32"; "?" for an unknown value. */
QE_API const char *qe_dtype_name(qe_dtype_t dtype);
/* Bits per element; 0 for an unknown value. */
QE_API unsigned qe_dtype_bits(qe_dtype_t dtype);

typedef enum qe_log_level { QE_LOG_ERROR = 0, QE_LOG_WARNING = 1, QE_LOG_INFO = 2, QE_LOG_DEBUG = 3 } qe_log_level_t;

/*
 * Where messages go (default: stderr). Process-wide; set it before other threads use the library. `message`
 * is valid during the call only. fn NULL restores the default.
 */
QE_API void qe_set_log(void (*fn)(void *arg, qe_log_level_t level, const char *message), void *arg);
/* Messages above this level are dropped. Default: QENGINE_LOG, else warnings. Process-wide. */
QE_API void qe_set_log_level(qe_log_level_t level);

#ifdef __cplusplus
}
#endif
#endif
