/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print.c - numbers and strings as people read them.
 */
#include "tools/print.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	enum oh_byte_unit unit;
} byte_units[] = {
	{ "auto", OH_BYTES_AUTO },
	{ "bytes", OH_BYTES_EXACT },
	{ "b", OH_BYTES_EXACT },
	{ "kib", OH_BYTES_KIB },
	{ "kb", OH_BYTES_KIB },
	{ "k", OH_BYTES_KIB },
	{ "mib", OH_BYTES_MIB },
	{ "mb", OH_BYTES_MIB },
	{ "m", OH_BYTES_MIB },
	{ "gib", OH_BYTES_GIB },
	{ "gb", OH_BYTES_GIB },
	{ "g", OH_BYTES_GIB },
};

bool
oh_parse_byte_unit(const char *s, enum oh_byte_unit *ret)
{
	for (size_t i = 0; i < OH_ARRAY_LEN(byte_units); i++)
		if (strcasecmp(s, byte_units[i].name) == 0) {
			*ret = byte_units[i].unit;
			return true;
		}
	return false;
}

bool
oh_parse_size(const char *s, uint64_t *ret)
{
	enum oh_byte_unit unit = OH_BYTES_EXACT;
	unsigned shift = 0;
	uint64_t n;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno != 0 || (*end != '\0' && !oh_parse_byte_unit(end, &unit)) ||
	    unit == OH_BYTES_AUTO)
		return false;
	if (unit != OH_BYTES_EXACT)
		shift = 10 * (unsigned)(unit - OH_BYTES_EXACT);
	if (n > UINT64_MAX >> shift)
		return false;
	*ret = n << shift;
	return true;
}

/* In the largest unit of {step^0, step^1 ...} in which |value| is at least 1. */
static const char *
scaled(char *buf, long double value, const char *const *names, const double *factors)
{
	size_t i = 0;

	/* 0.9995 of the next unit would be printed as 1000 or 1024 of this one. */
	while (names[i + 1] != NULL && fabsl(value) >= 0.99995 * factors[i + 1])
		i++;
	if (factors[i] == 1)
		(void)snprintf(buf, OH_VALUE_MAX, "%.0Lf %s", value, names[i]);
	else
		(void)snprintf(buf, OH_VALUE_MAX, "%.2Lf %s", value / factors[i], names[i]);
	return buf;
}

static const char *
format_bytes(char *buf, long double value, enum oh_byte_unit unit)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", NULL };
	static const double factors[] = { 1, 0x1p10, 0x1p20, 0x1p30, 0x1p40, 0x1p50, 0x1p60 };
	unsigned i = (unsigned)unit - OH_BYTES_EXACT;

	if (unit == OH_BYTES_AUTO)
		return scaled(buf, value, names, factors);
	if (unit == OH_BYTES_EXACT)
		(void)snprintf(buf, OH_VALUE_MAX, "%.0Lf", value);
	else
		(void)snprintf(buf, OH_VALUE_MAX, "%.2Lf %s", value / factors[i], names[i]);
	return buf;
}

const char *
oh_format_value(char *buf, long double value, const char *unit, enum oh_byte_unit byte_unit)
{
	static const char *const names[] = { "ns", "us", "ms", "s", "min", "h", NULL };
	static const double factors[] = { 1, 1e3, 1e6, 1e9, 60e9, 3600e9 };
	static const struct {
		const char *unit;
		double nanoseconds;
	} times[] = {
		{ "nanoseconds", 1 },
		{ "microseconds", 1e3 },
		{ "milliseconds", 1e6 },
		{ "seconds", 1e9 },
	};

	if (strcmp(unit, "bytes") == 0)
		return format_bytes(buf, value, byte_unit);
	for (size_t i = 0; i < OH_ARRAY_LEN(times); i++)
		if (strcmp(unit, times[i].unit) == 0)
			return scaled(buf, value * times[i].nanoseconds, names, factors);
	(void)snprintf(buf, OH_VALUE_MAX, "%.0Lf", value);
	return buf;
}

const char *
oh_format_percent(char *buf, double part, double whole)
{
	(void)snprintf(buf, OH_VALUE_MAX, "%.1f%%", whole == 0 ? 0.0 : 100 * part / whole);
	return buf;
}

size_t
oh_printable(const void *text, size_t len)
{
	const uint8_t *s = text;
	size_t n = len == 0                      ? 0
		   : s[0] < 0x80                 ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : (s[0] & 0xf0) == 0xe0       ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;

	if (n == 0 || n > len || s[0] < 0x20 || s[0] == 0x7f)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return s[0] == 0xc2 && s[1] < 0xa0 ? 0 : n;
}

void
oh_print_clean(FILE *to, const char *s)
{
	const unsigned char *at = (const unsigned char *)s;

	while (*at != '\0') {
		size_t run = 0, n;

		/* Names are long and many: write what needs no change in one go. */
		while ((n = oh_printable(at + run, SIZE_MAX)) != 0)
			run += n;
		(void)fwrite(at, 1, run, to);
		at += run;
		if (*at != '\0') {
			(void)putc('?', to);
			at++;
		}
	}
}

const char *
oh_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
