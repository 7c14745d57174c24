/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.c - one request to a collector and its answer, by libcurl.
 *
 * gRPC is HTTP/2 with a frame of five bytes around each message and the status
 * in the trailers (gRPC's doc/PROTOCOL-HTTP2.md): libcurl does the first, the
 * rest is here.
 */
#include "tools/export.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <zlib.h>

#define FRAME_BYTES 5
#define HEADER_VALUE_MAX 8192 /* of those that we keep */

struct oh_export {
	const struct oh_export_config *c;
	CURL *curl;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	bool (*give_up)(void *arg);
	void *give_up_arg;

	/* of the answer that is being read */
	uint8_t *body;
	size_t body_len, body_cap;
	bool too_long, stopped;
	char *content_type, *retry_after, *grpc_message, *grpc_details;
	int grpc_status;
};

int64_t
oh_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- what libcurl calls ---------------------------------------------------------------- */

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct oh_export *x = arg;
	size_t n = size * count;

	if (n > OH_ANSWER_MAX - x->body_len) {
		x->too_long = true;
		return 0;
	}
	x->body = oh_xgrow(x->body, &x->body_cap, x->body_len + n, 1);
	memcpy(x->body + x->body_len, data, n);
	x->body_len += n;
	return n;
}

/* If the header is `name`, keep its value. */
static bool
keep(const char *data, size_t n, const char *name, char **ret)
{
	size_t len = strlen(name);

	if (n <= len || data[len] != ':' || strncasecmp(data, name, len) != 0)
		return false;
	data += len + 1;
	n -= len + 1;
	while (n > 0 && (*data == ' ' || *data == '\t')) {
		data++;
		n--;
	}
	while (n > 0 && (unsigned char)data[n - 1] <= ' ')
		n--;
	if (n > HEADER_VALUE_MAX)
		n = HEADER_VALUE_MAX;
	free(*ret);
	*ret = strndup(data, n);
	return true;
}

/* Headers, and trailers just the same. */
static size_t
take_header(char *data, size_t size, size_t count, void *arg)
{
	struct oh_export *x = arg;
	size_t n = size * count;
	char *status = NULL;

	(void)(keep(data, n, "content-type", &x->content_type) ||
	       keep(data, n, "retry-after", &x->retry_after) ||
	       keep(data, n, "grpc-message", &x->grpc_message) ||
	       keep(data, n, "grpc-status-details-bin", &x->grpc_details));
	if (keep(data, n, "grpc-status", &status) && status != NULL && *status != '\0' &&
	    strspn(status, "0123456789") == strlen(status) && strlen(status) < 6)
		x->grpc_status = atoi(status);
	free(status);
	return n;
}

static int
look_at_clock(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
	struct oh_export *x = arg;

	(void)down_all, (void)down, (void)up_all, (void)up;
	x->stopped = x->give_up != NULL && x->give_up(x->give_up_arg);
	return x->stopped;
}

/* ---- set up -------------------------------------------------------------------------------- */

static bool
add_header(struct oh_export *x, const char *line)
{
	struct curl_slist *l = curl_slist_append(x->headers, line);

	if (l != NULL)
		x->headers = l;
	return l != NULL;
}

static bool
has_header(const struct oh_export_config *c, const char *name)
{
	for (size_t i = 0; i < c->header_count; i++)
		if (strncasecmp(c->headers[i], name, strlen(name)) == 0 &&
		    strchr(":;", c->headers[i][strlen(name)]) != NULL)
			return true;
	return false;
}

static bool
set_headers(struct oh_export *x)
{
	const struct oh_export_config *c = x->c;
	char timeout[48];
	bool good = add_header(x, "Expect:") && add_header(x, "Accept:");

	for (size_t i = 0; good && i < c->header_count; i++)
		good = add_header(x, c->headers[i]);
	switch (c->protocol) {
	case OH_EXPORT_GRPC:
		good = good && add_header(x, "Content-Type: application/grpc") &&
		       add_header(x, "TE: trailers");
		if (c->gzip)
			good = good && add_header(x, "grpc-encoding: gzip");
		if (c->timeout_ms > 0) {
			/* At most eight digits. */
			(void)snprintf(
			    timeout, sizeof(timeout), "grpc-timeout: %ldm", c->timeout_ms);
			good = good && add_header(x, timeout);
		}
		break;
	case OH_EXPORT_HTTP:
		/* No parameter: some servers compare the whole line. */
		good = good && add_header(x, "Content-Type: application/x-protobuf");
		if (c->gzip)
			good = good && add_header(x, "Content-Encoding: gzip");
		break;
	case OH_EXPORT_PYROSCOPE:
		good = good && add_header(x, "Content-Type: application/octet-stream");
		break;
	}
	return good && (has_header(c, "user-agent") || add_header(x, "User-Agent: " OH_USER_AGENT));
}

static void
set_grpc(struct oh_export *x, bool tls)
{
	CURL *h = x->curl;

	/* Over a proxy only by a tunnel: few forward HTTP/2. */
	(void)curl_easy_setopt(h, CURLOPT_HTTPPROXYTUNNEL, 1L);
	/* The status comes behind the body: where a length is told, libcurl would not wait. */
	(void)curl_easy_setopt(h, CURLOPT_IGNORE_CONTENT_LENGTH, 1L);
	(void)curl_easy_setopt(h, CURLOPT_HTTP_VERSION,
	    tls ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	/*
	 * A connection like that cannot be used twice with libcurl 7.88, that of Debian 12: the
	 * second request ends with CURLE_HTTP2.
	 */
	if (!tls && curl_version_info(CURLVERSION_NOW)->version_num < 0x080000)
		(void)curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
}

struct oh_export *
oh_export_new(const struct oh_export_config *c, struct oh_error *err)
{
	struct oh_export *x = oh_xcalloc(1, sizeof(*x));
	CURL *h;
	bool good;

	x->c = c;
	good = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
	       (x->curl = curl_easy_init()) != NULL && set_headers(x);
	if (!good) {
		oh_export_free(x);
		oh_error_set(err, "libcurl does not start");
		return NULL;
	}
	h = x->curl;
	(void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	(void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	(void)curl_easy_setopt(h, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	(void)curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, x->error);
	(void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
	(void)curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
	(void)curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, look_at_clock);
	(void)curl_easy_setopt(h, CURLOPT_XFERINFODATA, x);
	(void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, x->headers);
	(void)curl_easy_setopt(h, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, c->timeout_ms);
	(void)curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	/* Never less; what is more is libcurl's and the system's. */
	(void)curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c->ca != NULL) {
		(void)curl_easy_setopt(h, CURLOPT_CAINFO, c->ca);
		(void)curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
#if LIBCURL_VERSION_NUM >= 0x075700
		/* Read for each connection: it may have been renewed. */
		(void)curl_easy_setopt(h, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
	}
	if (c->client_key != NULL)
		(void)curl_easy_setopt(h, CURLOPT_SSLKEY, c->client_key);
	if (c->client_cert != NULL)
		(void)curl_easy_setopt(h, CURLOPT_SSLCERT, c->client_cert);
	if (c->protocol == OH_EXPORT_GRPC)
		set_grpc(x, strncmp(c->url, "https:", 6) == 0);
	return x;
}

static void
forget_answer(struct oh_export *x)
{
	x->body_len = 0;
	x->too_long = x->stopped = false;
	x->grpc_status = -1;
	x->error[0] = '\0';
	free(x->content_type);
	free(x->retry_after);
	free(x->grpc_message);
	free(x->grpc_details);
	x->content_type = x->retry_after = x->grpc_message = x->grpc_details = NULL;
}

void
oh_export_free(struct oh_export *x)
{
	if (x == NULL)
		return;
	forget_answer(x);
	if (x->curl != NULL)
		curl_easy_cleanup(x->curl);
	curl_slist_free_all(x->headers);
	free(x->body);
	free(x);
}

void
oh_export_limit(struct oh_export *x, bool (*give_up)(void *arg), void *arg)
{
	x->give_up = give_up;
	x->give_up_arg = arg;
}

/* ---- the request ----------------------------------------------------------------------------- */

static bool
pack_gzip(
    const struct iovec *pieces, size_t count, size_t at, struct oh_request *r, struct oh_error *err)
{
	z_stream z = { 0 };
	size_t cap = 0;
	int rc = Z_OK;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		return oh_error_set(err, "zlib does not start");
	r->data = oh_xgrow(NULL, &cap, at + r->plain_len / 4 + 1024, 1);
	r->len = at;
	for (size_t i = 0; i <= count && rc != Z_STREAM_END; i++) {
		z.next_in = i < count ? pieces[i].iov_base : NULL;
		z.avail_in = i < count ? (uInt)pieces[i].iov_len : 0;
		do {
			if (cap - r->len < 1024)
				r->data = oh_xgrow(r->data, &cap, cap + cap / 2, 1);
			z.next_out = r->data + r->len;
			z.avail_out = (uInt)(cap - r->len);
			rc = deflate(&z, i < count ? Z_NO_FLUSH : Z_FINISH);
			r->len = (size_t)(z.next_out - r->data);
		} while (z.avail_out == 0);
	}
	(void)deflateEnd(&z);
	return rc == Z_STREAM_END || oh_error_set(err, "zlib does not end");
}

static bool
check_size(size_t bytes, struct oh_error *err)
{
	return bytes <= OH_REQUEST_MAX ||
	       oh_error_set(err, "a request of %zu bytes; at most %llu are sent", bytes,
		   (unsigned long long)OH_REQUEST_MAX);
}

bool
oh_request_take(uint8_t *data, size_t len, struct oh_request *ret, struct oh_error *err)
{
	if (!check_size(len, err))
		return false;
	*ret = (struct oh_request){ .data = data, .len = len, .plain_len = len };
	return true;
}

bool
oh_request_pack(const struct oh_export *x, const struct iovec *pieces, size_t count,
    struct oh_request *ret, struct oh_error *err)
{
	size_t at = x->c->protocol == OH_EXPORT_GRPC ? FRAME_BYTES : 0, end;
	bool gzip = x->c->gzip;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < count; i++)
		ret->plain_len += pieces[i].iov_len;
	if (!check_size(ret->plain_len, err))
		return false;
	if (gzip) {
		if (!pack_gzip(pieces, count, at, ret, err))
			return false;
	} else {
		ret->data = oh_xrealloc(NULL, at + ret->plain_len + 1, 1);
		ret->len = at;
		for (size_t i = 0; i < count; i++) {
			if (pieces[i].iov_len == 0)
				continue;
			memcpy(ret->data + ret->len, pieces[i].iov_base, pieces[i].iov_len);
			ret->len += pieces[i].iov_len;
		}
	}
	if (at != 0) {
		end = ret->len - FRAME_BYTES;
		ret->data[0] = gzip;
		for (unsigned i = 0; i < 4; i++)
			ret->data[1 + i] = (uint8_t)(end >> (24 - 8 * i));
	}
	return true;
}

void
oh_request_free(struct oh_request *r)
{
	free(r->data);
	memset(r, 0, sizeof(*r));
}

/* ---- send it -----------------------------------------------------------------------------------
 */

/* What libcurl says when nothing but other settings would help. */
static bool
is_hopeless(CURLcode code)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CIPHER:
		return true;
	default:
		return false;
	}
}

/* No answer, or not a whole one. */
static void
answer_trouble(struct oh_export *x, CURLcode code, struct oh_answer *a)
{
	long status = 0;

	memset(a, 0, sizeof(*a));
	a->grpc = -1;
	a->after_ms = -1;
	(void)curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	if (x->too_long) {
		a->http = status;
		a->verdict = OH_REFUSED;
		(void)snprintf(a->text, sizeof(a->text),
		    "HTTP status %ld with an answer of more than %u bytes", status, OH_ANSWER_MAX);
		return;
	}
	a->verdict = OH_LATER;
	a->hopeless = is_hopeless(code);
	if (x->stopped)
		(void)snprintf(a->text, sizeof(a->text), "no answer in the time that was left");
	else /* of a proxy that it cannot use libcurl quotes all, its password included */
		(void)snprintf(a->text, sizeof(a->text), "%s",
		    x->error[0] != '\0' && strchr(x->error, '@') == NULL
			? x->error
			: curl_easy_strerror(code));
	a->text[strcspn(a->text, "\n")] = '\0';
}

/* A media type, with or without parameters. */
static bool
is_type(const char *value, const char *type)
{
	size_t n = strlen(type);

	return value != NULL && strncasecmp(value, type, n) == 0 &&
	       strchr("; \t", value[n]) != NULL;
}

static enum oh_body
kind_of(const char *content_type)
{
	return is_type(content_type, "application/x-protobuf") ? OH_BODY_OTLP
	       : is_type(content_type, "text/html")            ? OH_BODY_PAGE
							       : OH_BODY_OTHER;
}

void
oh_export_send(
    struct oh_export *x, const struct oh_request *r, const char *query, struct oh_answer *ret)
{
	const char *url = x->c->url;
	char *longer = NULL;
	CURLcode code;
	long status = 0;

	forget_answer(x);
	if (query != NULL &&
	    asprintf(&longer, "%s%c%s", url, strchr(url, '?') != NULL ? '&' : '?', query) >= 0)
		url = longer;
	(void)curl_easy_setopt(x->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, r->data);
	(void)curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->len);
	code = curl_easy_perform(x->curl);
	free(longer);
	(void)curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
	/* Where the status is there, what went wrong behind it does not matter. */
	if (code != CURLE_OK && (x->too_long || (status < 400 && x->grpc_status < 0)))
		answer_trouble(x, code, ret);
	else if (x->c->protocol == OH_EXPORT_GRPC)
		oh_answer_grpc(ret, status, x->grpc_status, x->grpc_message, x->grpc_details,
		    x->body, x->body_len);
	else
		oh_answer_http(ret, status, kind_of(x->content_type), x->retry_after, x->body,
		    x->body_len, (int64_t)time(NULL));
}
