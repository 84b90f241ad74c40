/* A training as one HTML page that needs nothing else: curves drawn as inline SVG, and a table of epochs. */
#include <math.h>
#include <stdlib.h>

#include "html.h"
#include "train.h"

enum { WIDTH = 720, HEIGHT = 240, LEFT = 64, RIGHT = 12, TOP = 12, BOTTOM = 28 };

/* A curve through x[i], y[i]; y that are not finite leave gaps. */
typedef struct curve {
  const char *name, *color;
  double *x, *y;
  size_t count;
} curve;

typedef struct axes {
  double x_max, y_min, y_max;
} axes;

static axes fit(size_t n, const curve *curves, bool from_zero) {
  axes a = { 0.0, INFINITY, -INFINITY };
  for (size_t c = 0; c < n; c++) {
    for (size_t i = 0; i < curves[c].count; i++) {
      if (!isfinite(curves[c].y[i])) continue;
      a.x_max = fmax(a.x_max, curves[c].x[i]);
      a.y_min = fmin(a.y_min, curves[c].y[i]);
      a.y_max = fmax(a.y_max, curves[c].y[i]);
    }
  }
  if (from_zero) a.y_min = fmin(a.y_min, 0.0);
  if (!(a.y_max > a.y_min)) a.y_max = a.y_min + (isfinite(a.y_min) && a.y_min != 0.0 ? fabs(a.y_min) : 1.0);
  if (!(a.x_max > 0.0)) a.x_max = 1.0;
  return a;
}

static double at_x(const axes *a, double x) {
  return LEFT + x / a->x_max * (WIDTH - LEFT - RIGHT);
}

static double at_y(const axes *a, double y) {
  return TOP + (a->y_max - y) / (a->y_max - a->y_min) * (HEIGHT - TOP - BOTTOM);
}

static void put_grid(FILE *f, const axes *a) {
  for (int i = 0; i <= 4; i++) {
    const double y = a->y_min + (a->y_max - a->y_min) * i / 4.0;
    fprintf(f, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>"
               "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
            LEFT, WIDTH - RIGHT, at_y(a, y), at_y(a, y), LEFT - 6, at_y(a, y) + 4.0, y);
  }
  const double step = a->x_max > 1.0 ? ceil(a->x_max / 8.0) : a->x_max / 4.0; /* whole epochs */
  for (double x = 0.0; x <= a->x_max * 1.000001; x += step)
    fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.3g</text>\n", at_x(a, x), HEIGHT - 10, x);
}

static void put_curve(FILE *f, const axes *a, const curve *c) {
  bool open = false;
  fprintf(f, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" d=\"", c->color);
  for (size_t i = 0; i < c->count; i++) {
    if (isfinite(c->y[i])) fprintf(f, "%c%.1f %.1f", open ? 'L' : 'M', at_x(a, c->x[i]), at_y(a, c->y[i]));
    open = isfinite(c->y[i]);
  }
  fputs("\"/>\n", f);
  for (size_t i = 0; c->count <= 60 && i < c->count; i++) /* a single point has no line */
    if (isfinite(c->y[i]))
      fprintf(f, "<circle r=\"2.5\" fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\"/>", c->color, at_x(a, c->x[i]), at_y(a, c->y[i]));
}

static void put_chart(FILE *f, const char *title, size_t n, const curve *curves, bool from_zero) {
  const axes a = fit(n, curves, from_zero);
  fprintf(f, "<h2>%s</h2>\n<p>", title);
  for (size_t c = 0; n > 1 && c < n; c++) fprintf(f, "<b style=\"color:%s\">%s</b> ", curves[c].color, curves[c].name);
  fprintf(f, "</p>\n<svg width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT, title);
  if (isfinite(a.y_min)) {
    put_grid(f, &a);
    for (size_t c = 0; c < n; c++) put_curve(f, &a, &curves[c]);
  }
  fputs("</svg>\n", f);
}

/* ---- what is drawn ---- */

typedef double value_of(const cli_train_epoch *e);
static double train_loss(const cli_train_epoch *e) { return e->train.loss; }
static double train_top1(const cli_train_epoch *e) { return 100.0 * e->train.top1; }
static double valid_loss(const cli_train_epoch *e) { return e->validated ? e->validation.loss : NAN; }
static double valid_top1(const cli_train_epoch *e) { return e->validated ? 100.0 * e->validation.top1 : NAN; }

static curve epoch_curve(const char *name, const char *color, const cli_train_history *h, value_of *value) {
  curve c = { name, color, cli_calloc(h->n_epochs + 1, sizeof(double)), cli_calloc(h->n_epochs + 1, sizeof(double)), h->n_epochs };
  for (size_t i = 0; i < h->n_epochs; i++) {
    c.x[i] = (double)h->epochs[i].train.epoch;
    c.y[i] = value(&h->epochs[i]);
  }
  return c;
}

static curve step_curve(const char *name, const char *color, const cli_train_history *h, bool lr) {
  curve c = { name, color, cli_calloc(h->n_points + 1, sizeof(double)), cli_calloc(h->n_points + 1, sizeof(double)), h->n_points };
  for (size_t i = 0; i < h->n_points; i++) {
    c.x[i] = h->points[i].epoch;
    c.y[i] = lr ? h->points[i].lr : h->points[i].loss;
  }
  return c;
}

static void free_curves(size_t n, curve *curves) {
  for (size_t i = 0; i < n; i++) {
    free(curves[i].x);
    free(curves[i].y);
  }
}

static void put_charts(FILE *f, const cli_train_args *a, const cli_train_history *h) {
  const char *validation = a->qat ? "validation in int8" : "validation";
  curve loss[] = { step_curve("each step", "#b9d2ec", h, false), epoch_curve("training", "#1f5fa8", h, train_loss),
                   epoch_curve(validation, "#c0392b", h, valid_loss) };
  curve top1[] = { epoch_curve("training", "#1f5fa8", h, train_top1), epoch_curve(validation, "#c0392b", h, valid_top1) };
  curve lr[] = { step_curve("learning rate", "#1e8449", h, true) };
  const size_t validated = h->n_epochs && h->epochs[0].validated;
  put_chart(f, "Loss by epoch", 2 + validated, loss, true);
  if (a->train.loss == QE_LOSS_CROSS_ENTROPY) put_chart(f, "Top-1 by epoch, %", 1 + validated, top1, false);
  put_chart(f, "Learning rate by epoch", 1, lr, true);
  free_curves(3, loss);
  free_curves(2, top1);
  free_curves(1, lr);
}

static void put_number(FILE *f, int digits, double value) {
  fputs("<td class=n>", f);
  if (isfinite(value)) fprintf(f, "%.*f", digits, value);
  fputs("</td>", f);
}

static void put_epochs(FILE *f, const cli_train_history *h) {
  fputs("<h2>Epochs</h2>\n<table><tr><th>epoch<th>loss<th>top-1 %<th>validation loss<th>top-1 %<th>learning rate<th>seconds</tr>\n", f);
  for (size_t i = 0; i < h->n_epochs; i++) {
    const cli_train_epoch *e = &h->epochs[i];
    fprintf(f, "<tr><td class=n>%u</td>", e->train.epoch);
    put_number(f, 6, train_loss(e));
    put_number(f, 2, train_top1(e));
    put_number(f, 6, valid_loss(e));
    put_number(f, 2, valid_top1(e));
    put_number(f, 6, e->train.lr);
    put_number(f, 1, e->train.seconds);
    fputs("</tr>\n", f);
  }
  fputs("</table>\n", f);
}

char *cli_train_html(const cli_train_args *a, const cli_train_history *h) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  if (!f) cli_out_of_memory();
  cli_html_head(f, "qengine train");
  fputs("<h1>", f);
  cli_html_text(f, a->output);
  fputs("</h1>\n<p>", f);
  cli_html_text(f, a->model);
  fprintf(f, "%s, %llu steps of %u samples, seed %llu.</p>\n", a->qat ? ", quantization-aware" : "",
          (unsigned long long)h->steps, a->train.batch, (unsigned long long)a->train.seed);
  put_charts(f, a, h);
  put_epochs(f, h);
  cli_html_end(f);
  if (fclose(f) != 0) cli_out_of_memory();
  return text;
}
