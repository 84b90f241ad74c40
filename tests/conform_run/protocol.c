/* Messages survive the pipe in any pieces; what is no message is noticed. */
#include "conform/protocol.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static qe__message m, back;
static qe__inbox inbox;

Test(protocol, fields_come_back) {
  int ends[2];
  char text[32];
  cr_assert_eq(pipe(ends), 0);
  qe__message_start(&m, QE__MSG_END);
  qe__message_put(&m, UINT64_MAX);
  qe__message_put_text(&m, "a text\nof two lines");
  qe__message_put_real(&m, -0.5);
  qe__message_put_text(&m, NULL);
  qe__message_put_text(&m, "longer than the reader's room, which is no error");
  qe__message_put(&m, 7);
  cr_assert_eq(qe__message_send(ends[1], &m), QE_OK, "%s", qe_last_error());
  cr_assert_gt(qe__inbox_read(&inbox, ends[0]), 0);
  cr_assert_eq(qe__inbox_next(&inbox, &back), 1);
  cr_assert_eq(back.type, QE__MSG_END);
  cr_assert_eq(qe__message_take(&back), UINT64_MAX);
  qe__message_take_text(&back, text, sizeof text);
  cr_assert_str_eq(text, "a text\nof two lines");
  cr_assert_eq(qe__message_take_real(&back), -0.5);
  qe__message_take_text(&back, text, sizeof text);
  cr_assert_str_empty(text);
  qe__message_take_text(&back, text, 7);
  cr_assert_str_eq(text, "longer");
  cr_assert_eq(qe__message_take(&back), 7);
  cr_assert_not(back.bad);
  qe__message_take(&back);
  cr_assert(back.bad, "a field that is not there has to be noticed");
  cr_assert_eq(qe__inbox_next(&inbox, &back), 0);
}

Test(protocol, pieces_of_any_size) {
  uint8_t bytes[3 * QE__MESSAGE_HEADER + 64];
  int ends[2];
  size_t size = 0;
  cr_assert_eq(pipe(ends), 0);
  for (int i = 0; i < 3; i++) {
    qe__message_start(&m, QE__MSG_BEGIN);
    qe__message_put(&m, (uint64_t)i);
    cr_assert_eq(qe__message_send(ends[1], &m), QE_OK);
  }
  size = (size_t)read(ends[0], bytes, sizeof bytes);
  int got = 0;
  for (size_t i = 0; i < size; i++) {
    inbox.data[inbox.size++] = bytes[i];
    const int more = qe__inbox_next(&inbox, &back);
    cr_assert_geq(more, 0);
    if (more == 0) continue;
    cr_assert_eq(qe__message_take(&back), (uint64_t)got);
    got++;
  }
  cr_assert_eq(got, 3);
}

Test(protocol, nonsense_is_noticed) {
  memcpy(inbox.data, "printf from a plugin", 20);
  inbox.size = 20;
  cr_assert_eq(qe__inbox_next(&inbox, &back), -1);
}

Test(protocol, too_much_is_an_error) {
  static char long_text[QE__MESSAGE_SIZE + 1];
  memset(long_text, 'x', QE__MESSAGE_SIZE);
  qe__message_start(&m, QE__MSG_END);
  qe__message_put_text(&m, long_text);
  cr_assert(m.bad);
  cr_assert_eq(qe__message_send(1, &m), QE_ERROR_INTERNAL);
}

Test(protocol, lengths_that_lie_are_noticed) {
  char text[8];
  qe__message_start(&m, QE__MSG_END);
  qe__message_put(&m, UINT64_MAX);
  qe__message_take_text(&m, text, sizeof text);
  cr_assert(m.bad);
  cr_assert_str_empty(text);
}
