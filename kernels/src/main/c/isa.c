// What this machine's vector units can do, and what the operating system lets us use of it.
#include "isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

weir_isa weir_detect_isa(void) {
  __builtin_cpu_init(); // checks XGETBV as well as CPUID
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return WEIR_PORTABLE;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_F16C)) return WEIR_PORTABLE;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return WEIR_AVX2;
  }
  return __builtin_cpu_supports("avx512bf16") ? WEIR_AVX512BF16 : WEIR_AVX512;
}

// Linux: tile state is granted per process, on request (arch_prctl(2)).
#define REQUEST_STATE_PERMISSION 0x1023
#define TILE_DATA_STATE 18
#define XCR0_TILE_STATES (3u << 17)
#define CPUID7_EDX_AMX_BF16 (1u << 22)
#define CPUID7_EDX_AMX_TILE (1u << 24)

static uint32_t read_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

int weir_acquire_amx(void) {
  unsigned a, b, c, d;
  if (weir_detect_isa() < WEIR_AVX512BF16 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  unsigned both = CPUID7_EDX_AMX_BF16 | CPUID7_EDX_AMX_TILE;
  if ((d & both) != both || (read_xcr0() & XCR0_TILE_STATES) != XCR0_TILE_STATES) return 0;
  return syscall(SYS_arch_prctl, REQUEST_STATE_PERMISSION, TILE_DATA_STATE) == 0;
}

#else

weir_isa weir_detect_isa(void) { return WEIR_PORTABLE; }

int weir_acquire_amx(void) { return 0; }

#endif
