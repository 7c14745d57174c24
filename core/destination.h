/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destination.h - do two programs send to the same place, with the same rights?
 */
#ifndef OH_CORE_DESTINATION_H
#define OH_CORE_DESTINATION_H

#include <stdint.h>

#define OH_DESTINATION_KEY_BYTES 16

/*
 * A number for where and how profiles are sent: by the variables in `envp`
 * (NULL-terminated) that say so, in whatever order they are, and the network
 * that the names in them are of.  As some hold secrets that may be guessed,
 * and the number is seen by others, nobody can try guesses on it without the
 * key.  No allocation, no errno.
 */
uint64_t oh_destination(
    const uint8_t key[OH_DESTINATION_KEY_BYTES], char *const *envp, uint64_t network);

/* SipHash-2-4 of `len` bytes, by the paper of its authors. */
uint64_t oh_siphash(const uint8_t key[OH_DESTINATION_KEY_BYTES], const void *data, uint64_t len);

#endif
