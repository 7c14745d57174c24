/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha.c - SHA-1 and SHA-256, as FIPS 180-4 describes them.
 *
 * The constants of SHA-256 are the first 32 bits of the fractional parts of the
 * square roots (start) and cube roots (rounds) of the first primes.
 */
#include "tools/sha.h"

#include <string.h>

static const uint32_t sha256_round[64] = { 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
	0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
	0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
	0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e,
	0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624,
	0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3,
	0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };

static inline uint32_t
left(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static inline uint32_t
right(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static inline uint32_t
word(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void
block_1(uint32_t h[8], const uint8_t *block)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (unsigned t = 0; t < 80; t++)
		w[t] = t < 16 ? word(block + 4 * (size_t)t)
			      : left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	for (unsigned t = 0; t < 80; t++) {
		uint32_t f, k, next;

		if (t < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (t < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (t < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		next = left(a, 5) + f + e + k + w[t];
		e = d;
		d = c;
		c = left(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

static void
block_256(uint32_t h[8], const uint8_t *block)
{
	uint32_t w[64], v[8]; /* v: a b c d e f g h */

	for (unsigned t = 0; t < 16; t++)
		w[t] = word(block + 4 * (size_t)t);
	for (unsigned t = 16; t < 64; t++) {
		uint32_t x = w[t - 15], y = w[t - 2];

		w[t] = w[t - 16] + (right(x, 7) ^ right(x, 18) ^ x >> 3) + w[t - 7] +
		       (right(y, 17) ^ right(y, 19) ^ y >> 10);
	}
	memcpy(v, h, sizeof(v));
	for (unsigned t = 0; t < 64; t++) {
		uint32_t s1 = right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t one = v[7] + s1 + choice + sha256_round[t] + w[t];
		uint32_t s0 = right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22);
		uint32_t most = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += one;
		v[0] = one + s0 + most;
	}
	for (unsigned i = 0; i < 8; i++)
		h[i] += v[i];
}

static void
add_block(struct oh_sha *s, const uint8_t *block)
{
	if (s->is_256)
		block_256(s->h, block);
	else
		block_1(s->h, block);
}

void
oh_sha1_init(struct oh_sha *s)
{
	*s = (struct oh_sha){
		.h = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 },
	};
}

void
oh_sha256_init(struct oh_sha *s)
{
	*s = (struct oh_sha){
		.h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
		    0x1f83d9ab, 0x5be0cd19 },
		.is_256 = true,
	};
}

void
oh_sha_add(struct oh_sha *s, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t have = s->bytes % sizeof(s->block);

	s->bytes += len;
	if (have != 0) {
		size_t take = sizeof(s->block) - have < len ? sizeof(s->block) - have : len;

		memcpy(s->block + have, at, take);
		at += take;
		len -= take;
		if (have + take < sizeof(s->block))
			return;
		add_block(s, s->block);
	}
	for (; len >= sizeof(s->block); at += sizeof(s->block), len -= sizeof(s->block))
		add_block(s, at);
	if (len != 0)
		memcpy(s->block, at, len);
}

void
oh_sha_end(struct oh_sha *s, uint8_t *ret)
{
	static const uint8_t end[64] = { 0x80 };
	uint64_t bits = s->bytes * 8;
	size_t have = s->bytes % 64, pad = have < 56 ? 56 - have : 120 - have;
	uint8_t length[8];

	for (unsigned i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	oh_sha_add(s, end, pad);
	oh_sha_add(s, length, sizeof(length));
	for (unsigned i = 0; i < (s->is_256 ? 8u : 5u); i++)
		for (unsigned k = 0; k < 4; k++)
			ret[4 * i + k] = (uint8_t)(s->h[i] >> (24 - 8 * k));
}
