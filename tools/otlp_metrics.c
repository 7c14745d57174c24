/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_metrics.c - a few numbers as OTLP.
 */
#include "tools/otlp_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "proto/otlp/metrics.pb-c.h"
#include "tools/mem.h"
#include "tools/otlp_table.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Common__V1__InstrumentationScope Scope;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Metrics__V1__Gauge Gauge;
typedef Opentelemetry__Proto__Metrics__V1__Metric Metric;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint NumberDataPoint;
typedef Opentelemetry__Proto__Metrics__V1__ScopeMetrics ScopeMetrics;
typedef Opentelemetry__Proto__Metrics__V1__Sum Sum;

enum {
	REQUEST_RESOURCE_METRICS = 1,
	RESOURCE_METRICS_RESOURCE = 1,
	RESOURCE_METRICS_SCOPE_METRICS = 2,
	SCOPE_METRICS_METRICS = 2,
};

/* One point and what hangs on it. */
struct point {
	NumberDataPoint point;
	KeyValue pair, *pair_at;
	AnyValue text;
};

static void
make_point(struct point *to, const struct oh_metric *from, int64_t start_ns, int64_t now_ns)
{
	NumberDataPoint point = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__INIT;
	KeyValue pair = OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE__INIT;
	AnyValue text = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;

	to->point = point;
	if (from->kind != OH_METRIC_GAUGE)
		to->point.start_time_unix_nano = (uint64_t)start_ns;
	to->point.time_unix_nano = (uint64_t)now_ns;
	to->point.value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT;
	to->point.as_int = from->value;
	if (from->key == NULL)
		return;
	to->text = text;
	to->text.value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
	to->text.string_value = (char *)(uintptr_t)from->text;
	to->pair = pair;
	to->pair.key = (char *)(uintptr_t)from->key;
	to->pair.value = &to->text;
	to->pair_at = &to->pair;
	to->point.attributes = &to->pair_at;
	to->point.n_attributes = 1;
}

/* One metric of the points that `metrics` begins with, all of one name. */
static void
put_metric(struct oh_bytes *to, const struct oh_metric *metrics, size_t count, int64_t start_ns,
    int64_t now_ns)
{
	Metric m = OPENTELEMETRY__PROTO__METRICS__V1__METRIC__INIT;
	Gauge gauge = OPENTELEMETRY__PROTO__METRICS__V1__GAUGE__INIT;
	Sum sum = OPENTELEMETRY__PROTO__METRICS__V1__SUM__INIT;
	struct point *points = oh_xcalloc(count, sizeof(*points));
	NumberDataPoint **list = oh_xcalloc(count, sizeof(NumberDataPoint *));
	size_t len;

	for (size_t i = 0; i < count; i++) {
		make_point(&points[i], &metrics[i], start_ns, now_ns);
		list[i] = &points[i].point;
	}
	m.name = (char *)(uintptr_t)metrics->name;
	m.unit = (char *)(uintptr_t)metrics->unit;
	m.description = (char *)(uintptr_t)metrics->description;
	if (metrics->kind == OH_METRIC_GAUGE) {
		gauge.n_data_points = count;
		gauge.data_points = list;
		m.data_case = OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE;
		m.gauge = &gauge;
	} else {
		sum.n_data_points = count;
		sum.data_points = list;
		sum.is_monotonic = metrics->kind == OH_METRIC_COUNTER;
		sum.aggregation_temporality =
		    OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE;
		m.data_case = OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM;
		m.sum = &sum;
	}
	len = protobuf_c_message_get_packed_size(&m.base);
	oh_bytes_field(to, SCOPE_METRICS_METRICS, len);
	oh_bytes_reserve(to, len);
	to->len += protobuf_c_message_pack(&m.base, to->b + to->len);
	free(points);
	free(list);
}

/* The bytes of `inner`, as field `field` of `to`. */
static void
put_nested(struct oh_bytes *to, unsigned field, const struct oh_bytes *inner)
{
	oh_bytes_field(to, field, inner->len);
	oh_bytes_add(to, inner->b, inner->len);
}

uint8_t *
oh_metrics_encode(const struct oh_resource *resource, const struct oh_metric *metrics, size_t count,
    int64_t start_ns, int64_t now_ns, size_t *ret_len)
{
	static char name[] = "otheap", version[] = OH_VERSION;
	struct oh_bytes scope_metrics = { .b = NULL }, resource_metrics = { .b = NULL };
	struct oh_bytes request = { .b = NULL }, encoded = { .b = NULL };
	ScopeMetrics head = OPENTELEMETRY__PROTO__METRICS__V1__SCOPE_METRICS__INIT;
	Scope scope = OPENTELEMETRY__PROTO__COMMON__V1__INSTRUMENTATION_SCOPE__INIT;

	scope.name = name;
	scope.version = version;
	head.scope = &scope;
	oh_bytes_reserve(&scope_metrics, protobuf_c_message_get_packed_size(&head.base));
	scope_metrics.len = protobuf_c_message_pack(&head.base, scope_metrics.b);
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && strcmp(metrics[i + n].name, metrics[i].name) == 0; n++)
			;
		put_metric(&scope_metrics, metrics + i, n, start_ns, now_ns);
	}
	encoded.b = oh_resource_encode(resource, &encoded.len);
	put_nested(&resource_metrics, RESOURCE_METRICS_RESOURCE, &encoded);
	put_nested(&resource_metrics, RESOURCE_METRICS_SCOPE_METRICS, &scope_metrics);
	put_nested(&request, REQUEST_RESOURCE_METRICS, &resource_metrics);
	free(encoded.b);
	free(scope_metrics.b);
	free(resource_metrics.b);
	*ret_len = request.len;
	return request.b;
}
