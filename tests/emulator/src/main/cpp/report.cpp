// The text of a report: which kernel, block, thread and source line.
#include "emulator.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

namespace weir::emulator {

namespace {

bool is_vocabulary(const char *file) {
  return strcmp(file, "emulated.h") == 0 || strcmp(file, "vocabulary.h") == 0 || strcmp(file, "??") == 0;
}

} // namespace

void describe_site(const void *site, char *text, size_t bytes) {
  Dl_info library;
  if (site == nullptr || dladdr(site, &library) == 0) {
    snprintf(text, bytes, "an unknown line");
    return;
  }
  // The call is before the address it returns to.
  const size_t offset = static_cast<size_t>(static_cast<const char *>(site) - static_cast<const char *>(library.dli_fbase)) - 1;
  snprintf(text, bytes, "%s+0x%zx", library.dli_fname, offset);
  char command[1024];
  if (snprintf(command, sizeof command, "addr2line -i -e '%s' 0x%zx 2>/dev/null", library.dli_fname, offset) >=
      static_cast<int>(sizeof command)) {
    return;
  }
  FILE *lines = popen(command, "r");
  if (lines == nullptr) {
    return;
  }
  // Innermost first; the lines of inlined callers follow.
  size_t used = 0;
  char line[1024];
  while (fgets(line, sizeof line, lines) != nullptr) {
    line[strcspn(line, " \n")] = 0;
    const char *slash = strrchr(line, '/');
    char *name = slash == nullptr ? line : line + (slash + 1 - line);
    char *colon = strrchr(name, ':');
    if (colon == nullptr) {
      continue;
    }
    *colon = 0;
    const bool skip = is_vocabulary(name);
    *colon = ':';
    if (!skip && used < bytes) {
      used += static_cast<size_t>(snprintf(text + used, bytes - used, "%s%s", used == 0 ? "" : " < ", name));
    }
  }
  pclose(lines);
}

void fail(const void *site, const char *format, ...) {
  char what[2048];
  va_list values;
  va_start(values, format);
  vsnprintf(what, sizeof what, format, values);
  va_end(values);
  char where[512];
  describe_site(site, where, sizeof where);
  snprintf(block->report, block->report_bytes, "kernel %s, block (%u, %u, %u), thread %d, %s: %s",
           block->launch->kernel->name, block->index[0], block->index[1], block->index[2], current->index, where, what);
  block->failed = true;
  switch_fiber(current->fiber, block->home);
  __builtin_unreachable();
}

} // namespace weir::emulator
