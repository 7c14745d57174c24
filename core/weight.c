/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weight.c - from one sample to an estimate (pure mathematics).
 */
#include "core/weight.h"

#include <math.h>

double
oh_weight(uint64_t size_bytes, uint64_t interval_bytes)
{
	if (interval_bytes <= 1)
		return 1.0;
	double size = size_bytes == 0 ? 1.0 : (double)size_bytes;
	double x = size / (double)interval_bytes;
	/* Beyond this e^-x is below half a unit in the last place of 1. */
	if (x > 40.0)
		return 1.0;
	return -1.0 / expm1(-x);
}

int64_t
oh_draw(uint64_t random, uint64_t interval_bytes)
{
	/* (0, 1]: 53 bits, moved up by one so that the logarithm is finite. */
	double u = ((double)(random >> 11) + 1.0) * 0x1.0p-53;

	return (int64_t)(-log(u) * (double)interval_bytes);
}
