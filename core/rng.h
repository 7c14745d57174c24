/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng.h - uniform bits for one thread.
 *
 * SplitMix64: one word of state, passes BigCrush, any seed will do.
 * Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014, figure 17.
 */
#ifndef OH_CORE_RNG_H
#define OH_CORE_RNG_H

#include <stdint.h>

/* Finaliser of the generator; also a good hash of one word. */
static inline uint64_t
oh_mix64(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t
oh_rng_next(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return oh_mix64(*state);
}

#endif
