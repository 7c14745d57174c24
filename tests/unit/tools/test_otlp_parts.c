/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_otlp_parts.c - what OTLP requests are made of: hashes, tables, resources,
 * names; metrics; answers.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/otlp/metrics.pb-c.h"
#include "proto/otlp/resource.pb-c.h"
#include "tests/unit/tools/wirebuild.h"
#include "tools/otlp_binary.h"
#include "tools/otlp_metrics.h"
#include "tools/otlp_names.h"
#include "tools/otlp_reply.h"
#include "tools/otlp_resource.h"
#include "tools/otlp_table.h"
#include "tools/sha.h"
#include "tools/symbols.h"

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- hashes ---------------------------------------------------------------------- */

static const char *
hash(bool is_256, const void *data, size_t len, size_t piece)
{
	static char text[65];
	uint8_t bytes[32];
	struct oh_sha s;

	if (is_256)
		oh_sha256_init(&s);
	else
		oh_sha1_init(&s);
	for (size_t at = 0; at < len; at += piece)
		oh_sha_add(&s, (const uint8_t *)data + at, len - at < piece ? len - at : piece);
	oh_sha_end(&s, bytes);
	for (size_t i = 0; i < (is_256 ? 32u : 20u); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

/* The values of FIPS 180-4's examples. */
START_TEST(hashes_are_those_of_the_standard)
{
	static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	char *million = malloc(1000000);

	memset(million, 'a', 1000000);
	ck_assert_str_eq(hash(false, "", 0, 1), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	ck_assert_str_eq(hash(false, "abc", 3, 3), "a9993e364706816aba3e25717850c26c9cd0d89d");
	ck_assert_str_eq(hash(false, two, 56, 56), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	ck_assert_str_eq(
	    hash(false, million, 1000000, 997), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	ck_assert_str_eq(hash(true, "", 0, 1),
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	ck_assert_str_eq(hash(true, "abc", 3, 1),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ck_assert_str_eq(hash(true, two, 56, 7),
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	ck_assert_str_eq(hash(true, million, 1000000, 4096),
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	/* Around the end of a block, whatever the pieces. */
	for (size_t len = 50; len < 70; len++)
		for (size_t piece = 1; piece < 70; piece += 9) {
			char whole[65];

			strcpy(whole, hash(true, million, len, len));
			ck_assert_str_eq(whole, hash(true, million, len, piece));
		}
	free(million);
}
END_TEST

/* Counted by another program from the specification's words. */
START_TEST(files_are_named_by_head_tail_and_length)
{
	static const struct {
		size_t len;
		const char *hash;
	} files[] = {
		{ 0, "af5570f5a1810b7af78caf4bc70a660f" },
		{ 10000, "29e3194e821b97b5565d43a5156ad97a" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(files); i++) {
		FILE *f = tmpfile();
		char got[33];

		for (size_t k = 0; k < files[i].len; k++)
			(void)putc((int)(k % 251), f);
		(void)fflush(f);
		ck_assert(oh_binary_htlhash(fileno(f), got));
		ck_assert_str_eq(got, files[i].hash);
		(void)fclose(f);
	}
	ck_assert(!oh_binary_htlhash(-1, (char[33]){ "" }));
}
END_TEST

START_TEST(only_files_that_can_be_read_are_known)
{
	struct oh_binaries *b = oh_binaries_create();

	ck_assert_ptr_null(oh_binaries_get(b, "", "/nowhere/at/all", ""));
	ck_assert_ptr_null(oh_binaries_get(b, "", "[vdso]", ""));
	ck_assert_ptr_null(oh_binaries_get(b, "", "/dev/null", ""));
	ck_assert_ptr_null(oh_binaries_get(b, "", "/tmp", ""));
	ck_assert_ptr_nonnull(oh_binaries_get(b, "", "/proc/self/exe", ""));
	ck_assert_ptr_nonnull(oh_binaries_get(b, "/proc/self", "/exe", ""));
	ck_assert_ptr_eq(oh_binaries_get(b, "", "/proc/self/exe", ""),
	    oh_binaries_get(b, "/proc/self", "/exe", ""));
	ck_assert_ptr_null(oh_binaries_get(b, "/nowhere", "/proc/self/exe", ""));
	oh_binaries_free(b);
}
END_TEST

/* ---- tables ----------------------------------------------------------------------- */

START_TEST(tables_hold_each_content_once_and_can_be_cut)
{
	struct oh_otlp_table t;
	char text[32];
	size_t bytes;

	oh_otlp_table_init(&t, 5);
	ck_assert_uint_eq(oh_otlp_table_add(&t, "", 0), 0);
	ck_assert_uint_eq(t.bytes.len, 2);
	ck_assert_mem_eq(t.bytes.b, "\x2a\x00", 2);
	ck_assert_uint_eq(oh_otlp_table_add(&t, "ab", 2), 1);
	ck_assert_mem_eq(t.bytes.b,
	    "\x2a\x00\x2a\x02"
	    "ab",
	    6);
	bytes = t.bytes.len;
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < 5000; i++) {
			int len = snprintf(text, sizeof(text), "entry %u", i);

			ck_assert_uint_eq(oh_otlp_table_add(&t, text, (size_t)len), i + 2);
		}
		ck_assert_uint_eq(oh_otlp_table_add(&t, "ab", 2), 1);
		ck_assert_uint_eq(oh_otlp_table_add(&t, "entry 4999", 10), 5001);
		ck_assert_uint_eq(t.count, 5002);
		oh_otlp_table_cut(&t, 2);
		ck_assert_uint_eq(t.count, 2);
		ck_assert_uint_eq(t.bytes.len, bytes);
	}
	/* What was cut off is new again. */
	ck_assert_uint_eq(oh_otlp_table_add(&t, "entry 4999", 10), 2);
	oh_otlp_table_release(&t);
}
END_TEST

START_TEST(strings_become_well_formed)
{
	static const struct {
		const char *in, *out;
	} texts[] = {
		{ "plain", "plain" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\xff"
		  "b",
		    "a\xef\xbf\xbd"
		    "b" },
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* too long */
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* half a pair */
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "cut\xe2\x82", "cut\xef\xbf\xbd\xef\xbf\xbd" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(texts); i++) {
		struct oh_bytes b = { .b = NULL };

		oh_bytes_text(&b, texts[i].in);
		oh_bytes_add(&b, "", 1);
		ck_assert_str_eq((char *)b.b, texts[i].out);
		free(b.b);
	}
}
END_TEST

/* ---- resources --------------------------------------------------------------------- */

static const char *
text_of(const struct oh_resource *r, const char *key)
{
	const struct oh_attribute *a = oh_resource_get(r, key);

	return a != NULL ? a->text : NULL;
}

START_TEST(settings_win_and_are_decoded)
{
	struct oh_resource *r = oh_resource_create();
	struct oh_error err = { "" };

	oh_resource_set(r, "service.name", "found");
	oh_resource_set_num(r, "process.pid", 5);
	ck_assert(oh_resource_of_settings(r,
	    " a = b , service.name=told,with%2Ccomma=1%3D2%20x,utf8=%C3%A4,again=1,again=2,"
	    "equals=x=y,plus=a+b,process.pid=9,empty=,",
	    NULL, &err));
	ck_assert_str_eq(text_of(r, "a"), "b");
	ck_assert_str_eq(text_of(r, "service.name"), "told");
	ck_assert_str_eq(text_of(r, "with,comma"), "1=2 x");
	ck_assert_str_eq(text_of(r, "utf8"), "\xc3\xa4");
	ck_assert_str_eq(text_of(r, "again"), "2");
	ck_assert_str_eq(text_of(r, "equals"), "x=y");
	ck_assert_str_eq(text_of(r, "plus"), "a+b");
	ck_assert_str_eq(text_of(r, "process.pid"), "9");
	ck_assert_str_eq(text_of(r, "empty"), "");
	ck_assert(oh_resource_of_settings(r, "service.name=told", "named", &err));
	ck_assert_str_eq(text_of(r, "service.name"), "named");
	ck_assert(oh_resource_of_settings(r, "", "", &err));
	ck_assert(oh_resource_of_settings(r, "service.name=", NULL, &err));
	ck_assert(oh_resource_of_settings(r, NULL, NULL, &err));
	ck_assert_str_eq(text_of(r, "service.name"), "named");
	ck_assert_str_eq(err.text, "");
	oh_resource_free(r);
}
END_TEST

START_TEST(one_error_discards_the_whole_variable)
{
	static const char *const lists[] = { "good=1,bad", "good=1,=x", "good=1,bad=%4",
		"%zz=1,good=1", "good=1,bad=%00", "good=1,bad=%" };

	for (size_t i = 0; i < OH_ARRAY_LEN(lists); i++) {
		struct oh_resource *r = oh_resource_create();
		struct oh_error err = { "" };

		ck_assert_msg(!oh_resource_of_settings(r, lists[i], "shop", &err), "%s", lists[i]);
		ck_assert_str_ne(err.text, "");
		ck_assert_ptr_null(oh_resource_get(r, "good"));
		ck_assert_str_eq(text_of(r, "service.name"), "shop");
		oh_resource_free(r);
	}
}
END_TEST

START_TEST(what_every_resource_has)
{
	struct oh_resource *r = oh_resource_create();

	oh_resource_complete(r);
	ck_assert_str_eq(text_of(r, "service.name"), "unknown_service");
	oh_resource_free(r);

	r = oh_resource_create();
	oh_resource_set(r, "process.executable.name", "app");
	oh_resource_complete(r);
	ck_assert_str_eq(text_of(r, "service.name"), "unknown_service:app");
	ck_assert_str_eq(text_of(r, "telemetry.sdk.name"), "otheap");
	ck_assert_str_eq(text_of(r, "telemetry.sdk.version"), OH_VERSION);
	oh_resource_free(r);

	/* UUID 5 of "\nshop\n\n\n\n77\n\n" in the namespace of the conventions, by another program.
	 */
	r = oh_resource_create();
	oh_resource_set(r, "service.name", "shop");
	oh_resource_set_num(r, "process.pid", 77);
	oh_resource_complete(r);
	ck_assert_str_eq(text_of(r, "service.instance.id"), "64f5a589-adf2-54f6-ac38-f1e13456ad28");
	oh_resource_free(r);

	r = oh_resource_create();
	oh_resource_set(r, "service.instance.id", "mine");
	oh_resource_complete(r);
	ck_assert_str_eq(text_of(r, "service.instance.id"), "mine");
	oh_resource_free(r);
}
END_TEST

START_TEST(a_process_tells_what_it_is)
{
	struct oh_resource *r = oh_resource_create();
	char self[512], host[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(n, 0);
	self[n] = '\0';
	ck_assert(!oh_resource_of_process(r, getpid(), 1));
	ck_assert(!oh_resource_of_process(r, 0x7ffffffe, 0));
	ck_assert_uint_eq(r->count, 0);
	ck_assert(oh_resource_of_process(r, getpid(), 0));
	ck_assert_int_eq(oh_resource_get(r, "process.pid")->num, getpid());
	ck_assert_str_eq(text_of(r, "process.executable.path"), self);
	ck_assert_str_eq(text_of(r, "process.executable.name"), strrchr(self, '/') + 1);
	ck_assert_ptr_nonnull(strstr(text_of(r, "process.command"), "test_otlp_parts"));
	ck_assert_uint_eq(strlen(text_of(r, "process.creation.time")), 24);
	ck_assert_int_eq(gethostname(host, sizeof(host)), 0);
	ck_assert_str_eq(text_of(r, "host.name"), host);
	ck_assert_str_eq(text_of(r, "host.arch"), "amd64");
	ck_assert_str_eq(text_of(r, "os.type"), "linux");
	/* Not without being asked: arguments may be secrets. */
	ck_assert_ptr_null(oh_resource_get(r, "process.command_args"));
	ck_assert_ptr_null(oh_resource_get(r, "process.command_line"));
	oh_resource_free(r);
}
END_TEST

START_TEST(containers_are_found_by_cgroup_or_by_what_is_bound_into_them)
{
	static const char *const mine = "1 2 0:3 /var/lib/docker/containers/" ID64
					"/hostname /etc/hostname rw - ext4 /dev/sda rw\n";
	static const struct {
		const char *cgroup, *mountinfo;
		bool found;
	} cases[] = {
		{ "0::/system.slice/docker-" ID64 ".scope\n", NULL, true },
		{ "12:cpu:/docker/" ID64 "\n11:memory:/docker/" ID64 "\n", NULL, true },
		{ "0::/kubepods/pod12/cri-containerd-" ID64 ".scope", NULL, true },
		{ "0::/user.slice/user-0.slice/session-1.scope\n", NULL, false },
		{ "0::/docker/" ID64 "0\n", NULL, false },
		{ "0::/\n", mine, true },
		{ "0::/\n",
		    "1 2 0:3 /containers/overlay-containers/" ID64
		    "/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw\n",
		    true },
		/* A pod's, not a container's. */
		{ "0::/\n",
		    "1 2 0:3 /run/sandboxes/" ID64 "/hostname /etc/hostname rw - ext4 d rw\n",
		    false },
		/* What a host sees of its containers. */
		{ "0::/init.scope\n",
		    "1 2 0:3 / /var/lib/docker/containers/" ID64 "/mounts/shm rw - tmpfs shm rw\n",
		    false },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(cases); i++) {
		struct oh_resource *r = oh_resource_create();

		oh_resource_set_container(r, cases[i].cgroup, cases[i].mountinfo);
		if (cases[i].found)
			ck_assert_str_eq(text_of(r, "container.id"), ID64);
		else
			ck_assert_msg(r->count == 0, "case %zu", i);
		oh_resource_free(r);
	}
}
END_TEST

/* ---- names -------------------------------------------------------------------------- */

/* An address in this program, seen through a mapping that begins at `start`. */
static struct oh_profile *
profile_here(const char *file, const char *build_id, uint64_t start, uint64_t offset)
{
	const char *strings[] = { "", "space", "bytes", file, build_id };
	struct wb w = { .len = 0 };

	WB_INTS(&w, 1, 1, 2);
	WB_INTS(&w, 3, 1, start, start + 0x1000000, 0, 3, 4);
	wb_location(&w, 1, 1, start + offset, 0, 0, 0, 0);
	wb_location(&w, 2, 1, start + 0xffff00, 0, 0, 0, 0); /* nothing is there */
	wb_bytes(&w, 2, "\x0a\x02\x01\x02\x12\x01\x07", 7);
	for (size_t i = 0; i < OH_ARRAY_LEN(strings); i++)
		wb_string(&w, strings[i]);
	return wb_profile(&w);
}

START_TEST(names_are_looked_up_once)
{
	struct oh_names *n = oh_names_create(3);
	struct oh_binaries *b = oh_binaries_create();
	const struct oh_binary *binary;
	uint64_t vaddr = 0, offset = 0;
	char self[512], build_id[129];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct oh_profile *p, *once;
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to, at;
	char line[1024], modes[8];

	ck_assert_int_gt(len, 0);
	self[len] = '\0';
	binary = oh_binaries_get(b, "", self, "");
	ck_assert_ptr_nonnull(binary);
	strcpy(build_id, binary->build_id);
	while (offset == 0 && fgets(line, sizeof(line), maps) != NULL) {
		vaddr = (uint64_t)(uintptr_t)profile_here;
		if (sscanf(line, "%lx-%lx %7s %lx", &from, &to, modes, &at) == 4 && vaddr >= from &&
		    vaddr < to)
			offset = vaddr - from + at + 4;
	}
	(void)fclose(maps);
	ck_assert_uint_gt(offset, 0);

	for (uint64_t turn = 0; turn < 3; turn++) {
		/* Each time somewhere else, as in another process. */
		p = profile_here(self, build_id, 0x10000000 + turn * 0x3000, offset);
		once = profile_here(self, build_id, 0x10000000, offset);
		oh_names_resolve(n, p, "");
		oh_symbols_resolve(once, NULL);
		ck_assert_uint_eq(oh_names_looked_up(n), 2);
		ck_assert_uint_eq(oh_names_kept(n), 2);
		for (uint32_t i = 0; i < 2; i++) {
			ck_assert_uint_eq(p->line_count[i], once->line_count[i]);
			for (uint32_t k = 0; k < p->line_count[i]; k++) {
				const struct oh_line *x = &p->lines[p->line_at[i] + k];
				const struct oh_line *y = &once->lines[once->line_at[i] + k];
				const struct oh_function *f = &p->functions[x->function];
				const struct oh_function *g = &once->functions[y->function];

				ck_assert_uint_eq(x->line, y->line);
				ck_assert_str_eq(oh_profile_string(p, f->name),
				    oh_profile_string(once, g->name));
				ck_assert_str_eq(oh_profile_string(p, f->filename),
				    oh_profile_string(once, g->filename));
			}
		}
		ck_assert_uint_gt(p->line_count[0], 0);
		ck_assert_str_eq(
		    oh_profile_string(p, p->functions[p->lines[p->line_at[0]].function].name),
		    "profile_here");
		oh_profile_free(p);
		oh_profile_free(once);
	}
	/* More than are kept: all are forgotten, and found again. */
	for (uint64_t turn = 0; turn < 2; turn++) {
		p = profile_here(self, build_id, 0x10000000, offset + 1 + turn);
		oh_names_resolve(n, p, "");
		ck_assert_uint_gt(p->line_count[0], 0);
		oh_profile_free(p);
	}
	ck_assert_uint_eq(oh_names_looked_up(n), 4);
	p = profile_here(self, build_id, 0x10000000, offset);
	oh_names_resolve(n, p, "");
	ck_assert_uint_eq(oh_names_looked_up(n), 6);
	ck_assert_uint_eq(oh_names_kept(n), 2);
	oh_profile_free(p);
	oh_names_free(n);

	/* Below another root, and the profile's name of the file stays what it was. */
	n = oh_names_create(0);
	p = profile_here("/exe", build_id, 0x10000000, offset);
	oh_names_resolve(n, p, "/proc/self");
	ck_assert_uint_gt(p->line_count[0], 0);
	ck_assert_str_eq(oh_profile_string(p, p->mappings[0].filename), "/exe");
	oh_profile_free(p);
	oh_names_free(n);
	oh_binaries_free(b);
}
END_TEST

/* ---- metrics and answers -------------------------------------------------------------- */

START_TEST(metrics_are_sums_and_gauges)
{
	static const struct oh_metric metrics[] = {
		{ "otheap.sent", "{profile}", "Profiles sent.", OH_METRIC_COUNTER, 0, "result",
		    "ok" },
		{ "otheap.sent", "{profile}", "Profiles sent.", OH_METRIC_COUNTER, 7, "result",
		    "bad" },
		{ "otheap.spool", "By", "Bytes waiting.", OH_METRIC_UPDOWN, 12, NULL, NULL },
		{ "otheap.cpu", "s", "", OH_METRIC_GAUGE, -1, NULL, NULL },
	};
	struct oh_resource *r = oh_resource_create();
	Opentelemetry__Proto__Metrics__V1__ExportMetricsServiceRequest *m;
	Opentelemetry__Proto__Metrics__V1__ScopeMetrics *sm;
	Opentelemetry__Proto__Metrics__V1__NumberDataPoint *point;
	uint8_t *bytes;
	size_t len;

	oh_resource_set(r, "service.name", "shop");
	bytes = oh_metrics_encode(r, metrics, OH_ARRAY_LEN(metrics), 100, 200, &len);
	m = opentelemetry__proto__metrics__v1__export_metrics_service_request__unpack(
	    NULL, len, bytes);
	ck_assert_ptr_nonnull(m);
	ck_assert_str_eq(
	    m->resource_metrics[0]->resource->attributes[0]->value->string_value, "shop");
	sm = m->resource_metrics[0]->scope_metrics[0];
	ck_assert_str_eq(sm->scope->name, "otheap");
	ck_assert_uint_eq(sm->n_metrics, 3);
	ck_assert_str_eq(sm->metrics[0]->name, "otheap.sent");
	ck_assert_str_eq(sm->metrics[0]->unit, "{profile}");
	ck_assert_uint_eq(sm->metrics[0]->sum->n_data_points, 2);
	ck_assert_int_eq(sm->metrics[0]->sum->aggregation_temporality, 2);
	ck_assert(sm->metrics[0]->sum->is_monotonic);
	point = sm->metrics[0]->sum->data_points[0];
	ck_assert_int_eq(
	    point->value_case, OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT);
	ck_assert_int_eq(point->as_int, 0);
	ck_assert_uint_eq(point->start_time_unix_nano, 100);
	ck_assert_uint_eq(point->time_unix_nano, 200);
	ck_assert_str_eq(point->attributes[0]->key, "result");
	ck_assert_int_eq(sm->metrics[0]->sum->data_points[1]->as_int, 7);
	ck_assert(!sm->metrics[1]->sum->is_monotonic);
	ck_assert_int_eq(sm->metrics[2]->gauge->data_points[0]->as_int, -1);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	free(bytes);
	oh_resource_free(r);
}
END_TEST

START_TEST(answers_are_read_whatever_they_are)
{
	static const char status[] = "\x08\x03\x12\x0b"
				     "bad request";
	struct oh_reply r;

	ck_assert(oh_reply_read("", 0, &r));
	ck_assert_int_eq(r.rejected, 0);
	ck_assert(oh_reply_read("\x0a\x00", 2, &r));
	ck_assert_str_eq(r.text, "");
	ck_assert(oh_reply_read("\x0a\x07\x08\x03\x12\x03no\x1b", 9, &r));
	ck_assert_int_eq(r.rejected, 3);
	ck_assert_str_eq(r.text, "no");
	ck_assert(oh_reply_read("\x0a\x06\x12\x04slow", 8, &r));
	ck_assert_int_eq(r.rejected, 0);
	ck_assert_str_eq(r.text, "slow");
	/* Words in any language; the second is a control character, the third is cut. */
	ck_assert(oh_reply_read("\x0a\x0b\x12\x09z\xc3\xbc\xc2\x9b\xe2\x82\xac\xe2", 13, &r));
	ck_assert_str_eq(r.text, "z\xc3\xbc \xe2\x82\xac");
	ck_assert(!oh_reply_read("<html>", 6, &r));
	ck_assert_int_eq(r.rejected, 0);
	ck_assert(!oh_reply_read("\x0a\x09\x08\x03", 4, &r));
	ck_assert_int_eq(r.rejected, 0);
	ck_assert_str_eq(r.text, "");

	oh_reply_read_failure(status, sizeof(status) - 1, &r);
	ck_assert_str_eq(r.text, "bad request");
	oh_reply_read_failure("", 0, &r);
	ck_assert_str_eq(r.text, "");
	oh_reply_read_failure("404 page not found\n", 19, &r);
	ck_assert_str_eq(r.text, "404 page not found");
	oh_reply_read_failure("{\"code\":3, \"message\": \"too large\"}", 34, &r);
	ck_assert_str_eq(r.text, "too large");
	oh_reply_read_failure("{\"message\": \"cut", 16, &r);
	ck_assert_str_eq(r.text, "cut");
	for (size_t i = 0; i < 3; i++) { /* longer than there is room for */
		char *long_text = malloc(1000);

		memset(long_text, 'x', 1000);
		oh_reply_read_failure(long_text, 1000, &r);
		ck_assert_uint_eq(strlen(r.text), OH_REPLY_TEXT - 1);
		free(long_text);
	}
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, hashes_are_those_of_the_standard);
	tcase_add_test(tc, files_are_named_by_head_tail_and_length);
	tcase_add_test(tc, only_files_that_can_be_read_are_known);
	tcase_add_test(tc, tables_hold_each_content_once_and_can_be_cut);
	tcase_add_test(tc, strings_become_well_formed);
	tcase_add_test(tc, settings_win_and_are_decoded);
	tcase_add_test(tc, one_error_discards_the_whole_variable);
	tcase_add_test(tc, what_every_resource_has);
	tcase_add_test(tc, a_process_tells_what_it_is);
	tcase_add_test(tc, containers_are_found_by_cgroup_or_by_what_is_bound_into_them);
	tcase_add_test(tc, names_are_looked_up_once);
	tcase_add_test(tc, metrics_are_sums_and_gauges);
	tcase_add_test(tc, answers_are_read_whatever_they_are);
}

int
main(void)
{
	return unit_run("otlp_parts", add);
}
