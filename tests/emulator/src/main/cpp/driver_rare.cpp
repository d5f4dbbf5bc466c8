#include "driver_control.h"
namespace weir::emulator { void clear_rare() {} }
