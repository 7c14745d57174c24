/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weight.h - from one sample to an estimate (pure mathematics).
 */
#ifndef OH_CORE_WEIGHT_H
#define OH_CORE_WEIGHT_H

#include <stdint.h>

/*
 * How many allocations of `size_bytes` does one sampled allocation stand for?
 *
 *   size_bytes      requested size; 0 is taken as 1, as the sampler does, so
 *                   that malloc(0) can be sampled at all.
 *   interval_bytes  mean bytes between samples, in force when it was drawn.
 *                   1 (or 0) means that every allocation is recorded.
 *
 * Returns 1 / P(sampled) = 1 / (1 - e^(-size / interval)); finite and >= 1.
 * Estimated bytes = weight * size_bytes.  Weigh each sample, then add up;
 * adding sizes first and weighing the sum is biased.
 *
 * Check: size 1, interval 524288 -> 524288.5 (= 1/x + 1/2 for small x);
 *        size = interval         -> 1.5820 (= e / (e - 1)).
 * Source: a Poisson process of rate 1/interval along the stream of allocated
 * bytes leaves a block of that size without a mark with probability
 * e^(-size / interval); Horvitz and Thompson, "A Generalization of Sampling
 * Without Replacement From a Finite Universe", JASA 47, 1952.
 *
 * Any thread; no state, no errors.
 */
double oh_weight(uint64_t size_bytes, uint64_t interval_bytes);

/*
 * Draw the bytes until the next sample: floor(X), X exponential with mean
 * `interval_bytes`, from `random`, 64 uniform bits.  An allocation of `size`
 * bytes is sampled when floor(X) < size, which for whole sizes is X < size,
 * so the floor costs no bias.  At most 45 intervals.
 *
 * Check: random = 2^63 -> floor(interval * ln 2).
 */
int64_t oh_draw(uint64_t random, uint64_t interval_bytes);

#endif
