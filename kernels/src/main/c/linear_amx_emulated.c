// The AMX kernels on emulated tiles: a test of their indexing and order on any machine.
#define WEIR_EMULATE_TILES
#include "linear_amx.c"
