// SPDX-License-Identifier: Apache-2.0
//
// keep.go - an exporter, "keep", that writes each request into files of a folder.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/xexporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
)

type keepConfig struct {
	Folder string `mapstructure:"folder"`
}

type keep struct {
	folder string
}

var requests atomic.Int64 // of all signals

func newKeepFactory() exporter.Factory {
	return xexporter.NewFactory(component.MustNewType("keep"),
		func() component.Config { return &keepConfig{} },
		xexporter.WithProfiles(func(_ context.Context, _ exporter.Settings,
			c component.Config) (xexporter.Profiles, error) {
			return &keep{c.(*keepConfig).Folder}, nil
		}, component.StabilityLevelStable),
		xexporter.WithMetrics(func(_ context.Context, _ exporter.Settings,
			c component.Config) (exporter.Metrics, error) {
			return &keep{c.(*keepConfig).Folder}, nil
		}, component.StabilityLevelStable))
}

func (*keep) Start(context.Context, component.Host) error { return nil }
func (*keep) Shutdown(context.Context) error              { return nil }
func (*keep) Capabilities() consumer.Capabilities         { return consumer.Capabilities{} }

// writeFile makes a file that is either whole or not there.
func writeFile(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (k *keep) path(what string) string {
	return filepath.Join(k.folder, strconv.FormatInt(requests.Add(1), 10)+"."+what)
}

// ---- text ---------------------------------------------------------------------

func attributes(m pcommon.Map) string {
	var all []string
	for key, value := range m.All() {
		all = append(all, key+"="+value.AsString())
	}
	sort.Strings(all)
	return strings.Join(all, "\t")
}

func sayResource(to *strings.Builder, r pcommon.Resource, s pcommon.InstrumentationScope) {
	for _, line := range strings.Split(attributes(r.Attributes()), "\t") {
		fmt.Fprintf(to, "resource %s\n", line)
	}
	fmt.Fprintf(to, "scope %s %s\n", s.Name(), s.Version())
}

type reader struct {
	d   pprofile.ProfilesDictionary
	err error
}

func (r *reader) text(i int32) string {
	if i < 0 || int(i) >= r.d.StringTable().Len() {
		r.err = fmt.Errorf("string %d is not there", i)
		return ""
	}
	return r.d.StringTable().At(int(i))
}

// attributed is what has attributes in the dictionary.
type attributed interface{ AttributeIndices() pcommon.Int32Slice }

func (r *reader) attributes(of attributed) string {
	m, err := pprofile.FromAttributeIndices(r.d.AttributeTable(), of, r.d)
	if err != nil {
		r.err = err
	}
	return attributes(m)
}

// frames says what a location is called, the innermost inlined function first.
func (r *reader) frames(l pprofile.Location) (names []string) {
	for _, line := range l.Lines().All() {
		f := r.d.FunctionTable().At(int(line.FunctionIndex()))
		names = append(names, fmt.Sprintf("%s %s:%d", r.text(f.NameStrindex()),
			r.text(f.FilenameStrindex()), line.Line()))
	}
	if len(names) == 0 {
		file := ""
		if l.MappingIndex() != 0 {
			file = r.text(r.d.MappingTable().At(int(l.MappingIndex())).FilenameStrindex())
		}
		names = []string{fmt.Sprintf("0x%x %s", l.Address(), file)}
	}
	return names
}

func (r *reader) profile(to *strings.Builder, p pprofile.Profile) {
	fmt.Fprintf(to, "profile %s %s time %d duration %d period %s %s %d id %s\n",
		r.text(p.SampleType().TypeStrindex()), r.text(p.SampleType().UnitStrindex()),
		p.Time(), p.DurationNano(), r.text(p.PeriodType().TypeStrindex()),
		r.text(p.PeriodType().UnitStrindex()), p.Period(), p.ProfileID())
	fmt.Fprintf(to, "attributes %s\n", r.attributes(p))
	for _, s := range p.Samples().All() {
		var names, addresses []string
		if s.Values().Len() != 1 || s.TimestampsUnixNano().Len() != 0 {
			r.err = fmt.Errorf("a sample with %d values", s.Values().Len())
			return
		}
		for _, i := range r.d.StackTable().At(int(s.StackIndex())).LocationIndices().All() {
			l := r.d.LocationTable().At(int(i))
			names = append(names, r.frames(l)...)
			addresses = append(addresses, fmt.Sprintf("%d:%x", l.MappingIndex(), l.Address()))
		}
		fmt.Fprintf(to, "sample %d | %s | %s | %s\n", s.Values().At(0), r.attributes(s),
			strings.Join(names, "; "), strings.Join(addresses, " "))
	}
}

func (k *keep) ConsumeProfiles(_ context.Context, all pprofile.Profiles) error {
	var to strings.Builder
	r := &reader{d: all.Dictionary()}
	for _, rp := range all.ResourceProfiles().All() {
		for _, sp := range rp.ScopeProfiles().All() {
			sayResource(&to, rp.Resource(), sp.Scope())
			for _, p := range sp.Profiles().All() {
				r.profile(&to, p)
			}
		}
	}
	for i, m := range r.d.MappingTable().All() {
		fmt.Fprintf(&to, "mapping %d %x-%x %x %s\t%s\n", i, m.MemoryStart(), m.MemoryLimit(),
			m.FileOffset(), r.text(m.FilenameStrindex()), r.attributes(m))
	}
	for i, l := range r.d.LocationTable().All() {
		fmt.Fprintf(&to, "location %d %s\n", i, r.attributes(l))
	}
	if r.err != nil {
		return r.err
	}
	bytes, err := (&pprofile.ProtoMarshaler{}).MarshalProfiles(all)
	if err != nil {
		return err
	}
	path := k.path("profiles")
	if err := writeFile(path+".pb", bytes); err != nil {
		return err
	}
	return writeFile(path+".txt", []byte(to.String()))
}

// ---- metrics ---------------------------------------------------------------------

func sayPoints(to *strings.Builder, m pmetric.Metric, kind string, points pmetric.NumberDataPointSlice) {
	for _, p := range points.All() {
		value := strconv.FormatInt(p.IntValue(), 10)
		if p.ValueType() == pmetric.NumberDataPointValueTypeDouble {
			value = strconv.FormatFloat(p.DoubleValue(), 'g', -1, 64)
		}
		fmt.Fprintf(to, "metric %s %s %s %s\t%s\n", m.Name(), m.Unit(), kind, value,
			attributes(p.Attributes()))
	}
}

func (k *keep) ConsumeMetrics(_ context.Context, all pmetric.Metrics) error {
	var to strings.Builder
	for _, rm := range all.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			sayResource(&to, rm.Resource(), sm.Scope())
			for _, m := range sm.Metrics().All() {
				switch m.Type() {
				case pmetric.MetricTypeGauge:
					sayPoints(&to, m, "gauge", m.Gauge().DataPoints())
				case pmetric.MetricTypeSum:
					kind := fmt.Sprintf("sum/%s/%t", m.Sum().AggregationTemporality(),
						m.Sum().IsMonotonic())
					sayPoints(&to, m, kind, m.Sum().DataPoints())
				}
			}
		}
	}
	return writeFile(k.path("metrics")+".txt", []byte(to.String()))
}
