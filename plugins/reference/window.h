/* The geometry of convolutions and pools, brought to three spatial dimensions (missing leading ones have size 1). */
#ifndef QE_REFERENCE_WINDOW_H
#define QE_REFERENCE_WINDOW_H

#include "ref.h"

typedef struct ref_window {
  int64_t in[3], out[3]; /* sizes of x and y */
  int64_t kernel[3], stride[3], dilation[3];
  int64_t pad[3], pad_end[3];            /* pads before and behind */
  int64_t x_step[3], x_batch, x_channel; /* strides of x in elements */
  int64_t y_step[3], y_batch, y_channel; /* strides of y */
  int64_t batch, channels;               /* of x */
  int64_t out_channels;                  /* of y */
  int64_t pixels;                        /* batch * out[0] * out[1] * out[2] */
  int64_t taps;                          /* kernel[0] * kernel[1] * kernel[2] */
} ref_window;

/* From x = in[0], y = out[0] and the params; needs a problem that ref_window_check accepts. */
void ref_window_init(ref_window *g, const qe_problem *p);
/* The same between any two operands: gradients have x and y elsewhere. */
void ref_window_between(ref_window *g, const qe_op_params *params, const qe_operand *x, const qe_operand *y);
/* 1, or 0 with the reason: ranks and attributes fit each other. */
int ref_window_check(const qe_problem *p, char *reason, size_t reason_size);
int ref_window_check_between(const qe_problem *p, const qe_operand *x, const qe_operand *y, char *reason,
                             size_t reason_size);

/* An output position: batch index and coordinates. */
typedef struct ref_pixel {
  int64_t n, at[3];
} ref_pixel;
ref_pixel ref_window_pixel(const ref_window *g, int64_t pixel);

/*
 * Taps [*begin, *end) along dimension d whose input position at * stride - pad + tap * dilation lies within x. The
 * range is empty when begin == end.
 */
void ref_window_range(const ref_window *g, int d, int64_t at, int64_t *begin, int64_t *end);
/* Output positions [*begin, *end) along d whose input position under this tap lies within x. */
void ref_window_outputs(const ref_window *g, int d, int64_t tap, int64_t *begin, int64_t *end);

/* The elements of x under the window at an output position: per dimension taps [begin, end), tap 0 lying at first. */
typedef struct ref_taps {
  int64_t begin[3], end[3], first[3];
} ref_taps;
ref_taps ref_window_taps(const ref_window *g, const ref_pixel *at);
/* What an average at this position divides by: elements of x, or with include_pad positions within the padded x. */
int64_t ref_window_count(const ref_window *g, const ref_pixel *at, bool include_pad);

#endif
