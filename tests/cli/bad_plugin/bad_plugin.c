/* A plugin that misbehaves while it is loaded, for `qengine engines --probe`. QE_TEST_HANG: it hangs instead of crashing. */
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void misbehave(void) {
#ifdef QE_TEST_HANG
  for (;;) pause();
#else
  abort();
#endif
}
