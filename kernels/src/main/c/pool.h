#pragma once

#include "weir.h"

// Starts threads-1 workers; NULL where they cannot be had.
weir_pool *weir_pool_open(int threads);

// Stops and joins the workers. No job may be running.
void weir_pool_close(weir_pool *pool);
