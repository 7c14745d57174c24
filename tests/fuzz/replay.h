/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.h - the main() of a fuzz target without libFuzzer: over FILE... once,
 * each also cut short and with bytes changed.
 */
#ifndef OH_TESTS_FUZZ_REPLAY_H
#define OH_TESTS_FUZZ_REPLAY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef OH_FUZZ_REPLAY
#define ROUNDS 2000

static uint64_t seed = 1;

static size_t
random_below(size_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407; /* Knuth, MMIX */
	return (size_t)(seed >> 33) % n;
}

/* The copy is as large as the input, so that a sanitizer sees a step beyond it. */
static void
one(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void
replay(const uint8_t *data, size_t size)
{
	uint8_t *changed = malloc(size ? size : 1);

	if (changed == NULL)
		abort();
	one(data, size);
	for (unsigned r = 0; r < ROUNDS && size > 0; r++) {
		size_t len = r % 4 == 0 ? random_below(size) : size;

		memcpy(changed, data, size);
		for (size_t i = random_below(8); i > 0; i--)
			changed[random_below(size)] = (uint8_t)random_below(256);
		one(changed, len);
	}
	free(changed);
}

int
main(int argc, char **argv)
{
	static uint8_t data[1 << 20];

	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");

		if (f == NULL)
			return 2;
		replay(data, fread(data, 1, sizeof(data), f));
		(void)fclose(f);
	}
	return 0;
}
#endif

#endif
