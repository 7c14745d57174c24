/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destination.c - do two programs send to the same place, with the same rights?
 */
#include "core/destination.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/base.h"

/* ---- SipHash-2-4 (Aumasson, Bernstein 2012) ------------------------------------------- */

static uint64_t
turned(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static void
rounds(uint64_t v[4], unsigned count)
{
	while (count-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = turned(v[1], 13) ^ v[0];
		v[3] = turned(v[3], 16) ^ v[2];
		v[0] = turned(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = turned(v[1], 17) ^ v[2];
		v[3] = turned(v[3], 21) ^ v[0];
		v[2] = turned(v[2], 32);
	}
}

/* `len` bytes, up to 8, the lowest first. */
static uint64_t
word(const uint8_t *bytes, uint64_t len)
{
	uint64_t v = 0;

	while (len-- > 0)
		v = v << 8 | bytes[len];
	return v;
}

uint64_t
oh_siphash(const uint8_t key[OH_DESTINATION_KEY_BYTES], const void *data, uint64_t len)
{
	uint64_t k0 = word(key, 8), k1 = word(key + 8, 8);
	/* "somepseudorandomlygeneratedbytes" */
	uint64_t v[4] = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) };
	const uint8_t *bytes = data;

	for (uint64_t at = 0; at <= len; at += 8) {
		uint64_t m =
		    at + 8 <= len ? word(bytes + at, 8) : word(bytes + at, len - at) | len << 56;

		v[3] ^= m;
		rounds(v, 2);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the variables ---------------------------------------------------------------------- */

/* Does this one say where profiles go, or how, or as whose? */
static bool
matters(const char *variable)
{
	static const char all[] = "OTEL_EXPORTER_OTLP_";
	/* curl's, but for the first; OpenSSL's. */
	static const char *const others[] = { "OTHEAP_PROTOCOL=", "http_proxy=", "https_proxy=",
		"HTTPS_PROXY=", "all_proxy=", "ALL_PROXY=", "no_proxy=", "NO_PROXY=",
		"SSL_CERT_FILE=", "SSL_CERT_DIR=", "SSLKEYLOGFILE=" };

	if (strncmp(variable, all, sizeof(all) - 1) == 0)
		return true;
	for (size_t i = 0; i < OH_ARRAY_LEN(others); i++)
		if (strncmp(variable, others[i], strlen(others[i])) == 0)
			return true;
	return false;
}

/* Is there another one of that name before it?  That one counts. */
static bool
is_hidden(char *const *envp, char *const *variable, size_t name_len)
{
	for (; envp != variable; envp++)
		if (strncmp(*envp, *variable, name_len + 1) == 0)
			return true;
	return false;
}

uint64_t
oh_destination(const uint8_t key[OH_DESTINATION_KEY_BYTES], char *const *envp, uint64_t network)
{
	uint64_t sum = oh_siphash(key, &network, sizeof(network));

	for (char *const *e = envp; e != NULL && *e != NULL; e++) {
		const char *eq = matters(*e) ? strchr(*e, '=') : NULL;

		/* An empty value means: not set. */
		if (eq != NULL && eq[1] != '\0' && !is_hidden(envp, e, (size_t)(eq - *e)))
			sum += oh_siphash(key, *e, strlen(*e));
	}
	return sum;
}
