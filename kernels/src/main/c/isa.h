#pragma once

#include "weir.h"

// Asks the operating system for AMX tile state, once per process; 1 if tiles can be used.
int weir_acquire_amx(void);
