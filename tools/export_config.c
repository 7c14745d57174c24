/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_config.c - the OTEL_EXPORTER_OTLP_ variables, and OTHEAP_PROTOCOL.
 *
 * No message here has the value of a header or a URL with its password in it.
 */
#include "tools/export_config.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tools/settings.h"

#define TIMEOUT_DEFAULT_MS 10000
#define TIMEOUT_MAX_MS 86400000L
#define GRPC_PATH "/opentelemetry.proto.collector.%s"
#define GRPC_PROFILES "profiles.v1development.ProfilesService/Export"
#define GRPC_METRICS "metrics.v1.MetricsService/Export"

/* One run of oh_export_config_read(). */
struct reader {
	const char *cmd;
	struct oh_export_config *c;
	struct oh_error *err;
	char name[64]; /* the variable that is looked at */
};

static void OH_PRINTF(2, 3) warn(const struct reader *r, const char *fmt, ...)
{
	char text[sizeof(r->c->warning)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "otheap: %s: %s: %s\n", r->cmd, r->name, text);
	if (r->c->warning[0] == '\0')
		(void)snprintf(r->c->warning, sizeof(r->c->warning), "%s: %.130s", r->name, text);
}

static const char *
environment(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && *v != '\0' ? v : NULL;
}

/* The general variable; r->name is its name. */
static const char *
look_up_general(struct reader *r, const char *what)
{
	(void)snprintf(r->name, sizeof(r->name), "OTEL_EXPORTER_OTLP_%s", what);
	return environment(r->name);
}

static bool
is_general(const struct reader *r, const char *what)
{
	static const char all[] = "OTEL_EXPORTER_OTLP_";

	return strncmp(r->name, all, sizeof(all) - 1) == 0 &&
	       strcmp(r->name + sizeof(all) - 1, what) == 0;
}

/* The value for the signal, else the general one, else NULL; r->name is the variable's. */
static const char *
look_up(struct reader *r, const char *what)
{
	const char *v;

	(void)snprintf(r->name, sizeof(r->name), "OTEL_EXPORTER_OTLP_%s_%s",
	    r->c->signal == OH_EXPORT_METRICS ? "METRICS" : "PROFILES", what);
	v = environment(r->name);
	return v != NULL ? v : look_up_general(r, what);
}

/* When that one makes no sense: the next, or NULL. */
static const char *
look_further(struct reader *r, const char *what)
{
	return is_general(r, what) ? NULL : look_up_general(r, what);
}

bool
oh_percent_decode(char *text)
{
	static const char digits[] = "0123456789abcdef";
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		const char *high, *low;

		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		high = from[1] != '\0' ? strchr(digits, from[1] | 0x20) : NULL;
		low = high != NULL && from[2] != '\0' ? strchr(digits, from[2] | 0x20) : NULL;
		/* | 0x20 makes capitals small, and some control characters digits. */
		if (low == NULL || from[1] < '0' || from[2] < '0' ||
		    (*high == '0' && *low == '0')) {
			*to = '\0';
			return false;
		}
		*to++ = (char)((high - digits) << 4 | (low - digits));
		from += 2;
	}
	*to = '\0';
	return true;
}

const char *
oh_export_protocol_name(enum oh_export_protocol p)
{
	return p == OH_EXPORT_GRPC        ? "grpc"
	       : p == OH_EXPORT_PYROSCOPE ? "pyroscope"
					  : "http/protobuf";
}

bool
oh_export_wanted(void)
{
	const char *off = environment("OTHEAP_OTLP");
	const char *disabled = environment("OTEL_SDK_DISABLED");

	return (environment("OTEL_EXPORTER_OTLP_ENDPOINT") != NULL ||
		   environment("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT") != NULL) &&
	       !(off != NULL && strcmp(off, "0") == 0) &&
	       !(disabled != NULL && strcasecmp(disabled, "true") == 0);
}

/* ---- protocol, timeout, compression -------------------------------------------------- */

/* Pyroscope's way in is no value of their variables. */
static bool
known_protocol(const char *name, bool ours, enum oh_export_protocol *ret)
{
	static const enum oh_export_protocol all[] = { OH_EXPORT_HTTP, OH_EXPORT_GRPC,
		OH_EXPORT_PYROSCOPE };

	for (size_t i = 0; i < OH_ARRAY_LEN(all); i++)
		if (strcasecmp(name, oh_export_protocol_name(all[i])) == 0 &&
		    (ours || all[i] != OH_EXPORT_PYROSCOPE)) {
			*ret = all[i];
			return true;
		}
	return false;
}

/* What the option says, else our own variable, else theirs. */
static bool
read_protocol(struct reader *r, const char *wish)
{
	static const char own[] = "OTHEAP_PROTOCOL";
	const char *said = environment(own), *v = oh_setting_value(environ, own);

	r->c->protocol = OH_EXPORT_HTTP;
	if (wish != NULL)
		return known_protocol(wish, true, &r->c->protocol) ||
		       oh_error_set(r->err,
			   "--protocol '%s': expected http/protobuf, grpc or pyroscope", wish);
	if (said != NULL && strcmp(said, v) != 0) {
		(void)snprintf(r->name, sizeof(r->name), "%s", own);
		warn(r, "'%s': expected %s; it is ignored", said,
		    oh_option_find(own, sizeof(own) - 1)->setting->expected);
	}
	if (known_protocol(v, true, &r->c->protocol))
		return true;
	v = look_up(r, "PROTOCOL");
	while (v != NULL && !known_protocol(v, false, &r->c->protocol)) {
		warn(r, "'%s': expected http/protobuf or grpc; it is ignored%s", v,
		    strcasecmp(v, "pyroscope") == 0 ? " (OTHEAP_PROTOCOL takes it)" : "");
		v = look_further(r, "PROTOCOL");
	}
	return true;
}

static void
read_timeout(struct reader *r)
{
	const char *v = look_up(r, "TIMEOUT");

	r->c->timeout_ms = TIMEOUT_DEFAULT_MS;
	while (v != NULL && (strspn(v, "0123456789") != strlen(v) || strlen(v) > 9)) {
		warn(r, "'%s': expected milliseconds, 0 for no limit; it is ignored", v);
		v = look_further(r, "TIMEOUT");
	}
	if (v != NULL)
		r->c->timeout_ms = strtol(v, NULL, 10);
	if (r->c->timeout_ms > TIMEOUT_MAX_MS)
		r->c->timeout_ms = TIMEOUT_MAX_MS;
}

static void
read_compression(struct reader *r)
{
	const char *v = look_up(r, "COMPRESSION");

	while (v != NULL && strcasecmp(v, "gzip") != 0 && strcasecmp(v, "none") != 0) {
		warn(r, "'%s': expected gzip or none; it is ignored", v);
		v = look_further(r, "COMPRESSION");
	}
	r->c->gzip = v == NULL || strcasecmp(v, "gzip") == 0;
}

static bool
read_file(struct reader *r, const char *what, char **ret)
{
	const char *v = look_up(r, what);
	char folder[PATH_MAX] = "";

	if (v == NULL)
		return true;
	/*
	 * Whole, as the agent leaves the folder that a path begins in; but with its links,
	 * which lead to another file when a certificate is renewed.
	 */
	if (access(v, R_OK) != 0 || (*v != '/' && getcwd(folder, sizeof(folder)) == NULL))
		return oh_error_set(r->err, "%s: %s: %s", r->name, v, strerror(errno));
	return asprintf(ret, "%s%s%s", folder, *v != '/' ? "/" : "", v) >= 0;
}

/* ---- headers ----------------------------------------------------------------------------- */

/* A name that may be sent: a token (RFC 9110), and none that we set by ourselves. */
static bool
is_header_name(const char *name)
{
	static const char *const ours[] = { "content-type", "content-encoding", "content-length",
		"transfer-encoding", "connection", "te", "host", "grpc-encoding", "grpc-timeout" };

	if (*name == '\0' || strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(name))
		return false;
	for (size_t i = 0; i < OH_ARRAY_LEN(ours); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return false;
	return true;
}

static bool
is_header_value(const char *v)
{
	for (; *v != '\0'; v++)
		if (((unsigned char)*v < ' ' && *v != '\t') || *v == 127)
			return false;
	return true;
}

static void
add_header(struct oh_export_config *c, const char *name, const char *value)
{
	char *line = NULL;

	/* To curl "name:" means: leave it out; an empty value is "name;". */
	if (asprintf(&line, *value != '\0' ? "%s: %s" : "%s;", name, value) < 0)
		return;
	for (size_t i = 0; i < c->header_count; i++) {
		if (strncasecmp(c->headers[i], name, strlen(name)) != 0 ||
		    strchr(":;", c->headers[i][strlen(name)]) == NULL)
			continue;
		free(c->headers[i]); /* the last one said wins */
		c->headers[i] = line;
		return;
	}
	c->headers = oh_xgrow(c->headers, &c->header_cap, c->header_count + 1, sizeof(*c->headers));
	c->headers[c->header_count++] = line;
}

/* Without the blanks at both ends; changes the text. */
static char *
trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	len = strlen(s);
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		s[--len] = '\0';
	return s;
}

static void
read_headers(struct reader *r)
{
	const char *v = look_up(r, "HEADERS");
	char *copy, *save = NULL;
	unsigned number = 0;

	if (v == NULL)
		return;
	copy = strdup(v);
	for (char *pair = copy != NULL ? strtok_r(copy, ",", &save) : NULL; pair != NULL;
	     pair = strtok_r(NULL, ",", &save)) {
		char *value = strchr(pair, '=');
		const char *name;

		number++;
		if (*trim(pair) == '\0')
			continue;
		if (value == NULL) {
			warn(r, "pair %u has no '='; it is ignored", number);
			continue;
		}
		*value++ = '\0';
		name = trim(pair);
		value = trim(value);
		if (!is_header_name(name))
			warn(r, "pair %u: no name of a header that may be set; it is ignored",
			    number);
		else if (!oh_percent_decode(value) || !is_header_value(value))
			warn(r, "pair %u: the value is not percent-encoded text; it is ignored",
			    number);
		else
			add_header(r->c, name, value);
	}
	free(copy);
}

static bool
wished_header(struct reader *r, const char *pair)
{
	const char *value = strchr(pair, '=');
	char *name = value != NULL ? strndup(pair, (size_t)(value - pair)) : NULL;
	bool good = name != NULL && is_header_name(name) && is_header_value(value + 1);

	if (good)
		add_header(r->c, name, value + 1);
	free(name);
	return good ||
	       oh_error_set(r->err,
		   "--header: expected NAME=VALUE, with the name of a header that may be set");
}

/* ---- endpoint ------------------------------------------------------------------------------ */

static char *
part(CURLU *u, CURLUPart which)
{
	char *s = NULL;

	return curl_url_get(u, which, &s, 0) == CURLUE_OK ? s : NULL;
}

/* `path`, with a slash at its end, and `more`. */
static char *
join(const char *path, const char *more)
{
	size_t len = strlen(path);
	char *s = NULL;

	if (asprintf(&s, "%s%s%s", path, len > 0 && path[len - 1] == '/' ? "" : "/", more) < 0)
		s = NULL;
	return s;
}

/* For an endpoint without a scheme: is it not to be secured? */
static bool
is_insecure(const struct reader *r)
{
	struct reader own = *r;
	const char *v = look_up(&own, "INSECURE");
	bool yes = v != NULL && strcasecmp(v, "true") == 0;

	if (v != NULL && !yes && strcasecmp(v, "false") != 0)
		warn(&own, "'%s': expected true or false; false is used", v);
	return yes;
}

/* The URL of a request from the endpoint; a base gets the path that is the signal's. */
static bool
build_url(struct reader *r, const char *name, const char *endpoint, bool base)
{
	struct oh_export_config *c = r->c;
	CURLU *u = curl_url();
	char *text = NULL, *scheme, *path = NULL;
	bool good;

	if (strstr(endpoint, "://") == NULL && c->protocol == OH_EXPORT_GRPC)
		(void)asprintf(&text, "%s://%s", is_insecure(r) ? "http" : "https", endpoint);
	good = u != NULL && curl_url_set(u, CURLUPART_URL, text != NULL ? text : endpoint,
				CURLU_PATH_AS_IS) == CURLUE_OK;
	free(text);
	scheme = good ? part(u, CURLUPART_SCHEME) : NULL;
	good = scheme != NULL && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	if (!good) {
		curl_url_cleanup(u);
		/* It may hold a password, in a form that we did not understand. */
		return oh_error_set(r->err, "%s: expected a URL like http://localhost:%s", name,
		    c->protocol == OH_EXPORT_GRPC        ? "4317"
		    : c->protocol == OH_EXPORT_PYROSCOPE ? "4040"
							 : "4318");
	}
	if (c->protocol == OH_EXPORT_GRPC) {
		(void)asprintf(&path, GRPC_PATH,
		    c->signal == OH_EXPORT_METRICS ? GRPC_METRICS : GRPC_PROFILES);
		base = true;
	} else if (base) {
		char *old = part(u, CURLUPART_PATH);

		path = join(old != NULL ? old : "/", c->protocol == OH_EXPORT_PYROSCOPE ? "ingest"
						     : c->signal == OH_EXPORT_METRICS
							 ? "v1/metrics"
							 : "v1development/profiles");
		curl_free(old);
	}
	(void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (path != NULL)
		(void)curl_url_set(u, CURLUPART_PATH, path, 0);
	if (base)
		(void)curl_url_set(u, CURLUPART_QUERY, NULL, 0);
	free(path);
	text = part(u, CURLUPART_URL);
	c->url = text != NULL ? strdup(text) : NULL;
	curl_free(text);
	(void)curl_url_set(u, CURLUPART_USER, NULL, 0);
	(void)curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	(void)curl_url_set(u, CURLUPART_QUERY, NULL, 0);
	text = part(u, CURLUPART_URL);
	c->shown = text != NULL ? strdup(text) : NULL;
	curl_free(text);
	curl_url_cleanup(u);
	return (c->url != NULL && c->shown != NULL) ||
	       oh_error_set(r->err, "%s: not a URL that can be used", name);
}

static bool
read_endpoint(struct reader *r, const char *wish)
{
	static const char *const defaults[] = { [OH_EXPORT_HTTP] = "http://localhost:4318",
		[OH_EXPORT_GRPC] = "http://localhost:4317",
		[OH_EXPORT_PYROSCOPE] = "http://localhost:4040" };
	static const char profiles[] = "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT";
	const char *v, *beside;
	char *general = NULL;
	size_t n;
	bool good;

	if (wish != NULL)
		return build_url(r, "--endpoint", wish, true);
	v = look_up(r, "ENDPOINT");
	if (v != NULL)
		return build_url(r, r->name, v,
		    is_general(r, "ENDPOINT") || r->c->protocol == OH_EXPORT_PYROSCOPE);
	/* Our own metrics go where the profiles go, if that is all that is known. */
	beside = environment(profiles);
	if (r->c->signal == OH_EXPORT_METRICS && beside != NULL &&
	    r->c->protocol == OH_EXPORT_HTTP) {
		n = strlen(beside);
		if (n < 23 || strcmp(beside + n - 23, "/v1development/profiles") != 0)
			return oh_error_set(
			    r->err, "no endpoint for metrics: set OTEL_EXPORTER_OTLP_ENDPOINT");
		general = strndup(beside, n - 22);
		good = general != NULL && build_url(r, profiles, general, true);
		free(general);
		return good;
	}
	return build_url(r, r->name, beside != NULL ? beside : defaults[r->c->protocol], true);
}

bool
oh_export_config_read(struct oh_export_config *ret, const char *cmd, enum oh_export_signal signal,
    const struct oh_export_wish *wish, struct oh_error *err)
{
	static const struct oh_export_wish none;
	struct reader r = { .cmd = cmd, .c = ret, .err = err };

	memset(ret, 0, sizeof(*ret));
	ret->signal = signal;
	if (wish == NULL)
		wish = &none;
	if (!read_protocol(&r, wish->protocol) || !read_endpoint(&r, wish->endpoint))
		return false;
	read_timeout(&r);
	read_compression(&r);
	read_headers(&r);
	for (size_t i = 0; i < wish->header_count; i++)
		if (!wished_header(&r, wish->headers[i]))
			return false;
	return read_file(&r, "CERTIFICATE", &ret->ca) &&
	       read_file(&r, "CLIENT_KEY", &ret->client_key) &&
	       read_file(&r, "CLIENT_CERTIFICATE", &ret->client_cert);
}

void
oh_export_config_free(struct oh_export_config *c)
{
	for (size_t i = 0; i < c->header_count; i++)
		free(c->headers[i]);
	free(c->headers);
	free(c->url);
	free(c->shown);
	free(c->ca);
	free(c->client_key);
	free(c->client_cert);
	memset(c, 0, sizeof(*c));
}
