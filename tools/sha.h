/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha.h - two hash functions that formats ask for by name.
 *
 * SHA-256 names binaries (htlhash), SHA-1 makes UUIDs of version 5.  Neither
 * protects anything here.  Any data, any thread.
 *
 * Source: FIPS 180-4.
 * Check: SHA-1("abc")   = a9993e364706816aba3e25717850c26c9cd0d89d
 *        SHA-256("abc") = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
 */
#ifndef OH_TOOLS_SHA_H
#define OH_TOOLS_SHA_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

struct oh_sha {
	uint32_t h[8];
	uint64_t bytes;    /* taken so far */
	uint8_t block[64]; /* the last bytes % 64 of them */
	bool is_256;
};

void oh_sha1_init(struct oh_sha *s);
void oh_sha256_init(struct oh_sha *s);
void oh_sha_add(struct oh_sha *s, const void *data, size_t len);

/* Write the hash: 20 bytes of SHA-1, 32 of SHA-256.  *s is used up. */
void oh_sha_end(struct oh_sha *s, uint8_t *ret);

#endif
