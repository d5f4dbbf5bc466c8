/* What the emulated driver exports besides CUDA's own functions: how a test sets it up and looks inside. */
#ifndef WEIR_EMULATOR_CONTROL_H
#define WEIR_EMULATOR_CONTROL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXPORT __attribute__((visibility("default")))

/* Changes settings, separated by spaces; README.md lists them. Gives the length of the error text, 0 where all went
 * well; where there is an error, nothing has changed. */
WEIR_EXPORT uint64_t weir_emulator_configure(const char *settings, char *error, uint64_t error_bytes);

/* Forgets everything: contexts, memory, pending work, counters, reports; settings go back to the first ones. */
WEIR_EXPORT void weir_emulator_reset(void);

/* Mistakes found since the last reset, one per line or more. Gives the length of the whole text. */
WEIR_EXPORT uint64_t weir_emulator_report(char *out, uint64_t out_bytes);

/* How many there are of: allocations, pinned, bytes, streams, events, graphs, modules, contexts, pending; or how many
 * there were of: call, kernel, copy, or calls of the function with that name. */
WEIR_EXPORT int64_t weir_emulator_count(const char *what);

#ifdef __cplusplus
}
#endif
#endif
