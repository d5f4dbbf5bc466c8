// The text of a report: which kernel, block, thread and source line.
#include "emulator.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <string>
#include <unordered_map>

namespace weir::emulator {

namespace {

std::string resolve(const void *site) {
  Dl_info library;
  if (dladdr(site, &library) == 0) {
    return "an unknown line";
  }
  // The call is before the address it returns to.
  const size_t offset =
      static_cast<size_t>(static_cast<const char *>(site) - static_cast<const char *>(library.dli_fbase)) - 1;
  char text[1024];
  snprintf(text, sizeof text, "%s+0x%zx", library.dli_fname, offset);
  const std::string unresolved = text;
  if (snprintf(text, sizeof text, "addr2line -i -e '%s' 0x%zx 2>/dev/null", library.dli_fname, offset) >=
      static_cast<int>(sizeof text)) {
    return unresolved;
  }
  FILE *lines = popen(text, "r");
  if (lines == nullptr) {
    return unresolved;
  }
  // Innermost first; the lines of inlined callers follow.
  std::string resolved, last;
  while (fgets(text, sizeof text, lines) != nullptr) {
    text[strcspn(text, " \n")] = 0;
    const char *slash = strrchr(text, '/');
    const std::string line = slash == nullptr ? text : slash + 1;
    const std::string file = line.substr(0, line.find(':'));
    if (file == "emulated.h" || file == "vocabulary.h" || file == "??" || line == last) {
      continue;
    }
    resolved += (resolved.empty() ? "" : " < ") + line;
    last = line;
  }
  pclose(lines);
  return resolved.empty() ? unresolved : resolved;
}

} // namespace

void describe_site(const void *site, char *text, size_t bytes) {
  static std::unordered_map<const void *, std::string> known;
  std::string &line = known[site];
  if (line.empty()) {
    line = resolve(site);
  }
  snprintf(text, bytes, "%s", line.c_str());
}

void fail(const void *site, const char *format, ...) {
  char what[2048];
  va_list values;
  va_start(values, format);
  vsnprintf(what, sizeof what, format, values);
  va_end(values);
  char where[512] = "at its end";
  if (site != nullptr) {
    describe_site(site, where, sizeof where);
  }
  snprintf(launch.report, launch.report_bytes, "kernel %s, block (%u, %u, %u), thread %d, %s: %s",
           launch.given->kernel->name, block->index[0], block->index[1], block->index[2], current->index, where, what);
  launch.failed = true;
  switch_fiber(current->fiber, launch.home);
  __builtin_unreachable();
}

} // namespace weir::emulator
