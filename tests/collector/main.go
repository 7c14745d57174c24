// SPDX-License-Identifier: Apache-2.0

// Collector is the OpenTelemetry Collector, built of its published modules: the
// OTLP receiver with both protocols, and an exporter of our own (keep.go) that
// writes down what the Collector made of what it was sent.
//
//	collector FOLDER [MAX_REQUEST_BYTES [HTTP_PORT]]
//
// It listens on ports that the kernel chooses, where none is given, and says them in
// FOLDER/ports, one line each: "http ADDRESS:PORT", "grpc ADDRESS:PORT".  Requests are
// numbered in the order of arrival: FOLDER/N.profiles.pb is the Collector's own
// encoding, FOLDER/N.profiles.txt and FOLDER/N.metrics.txt are what it decoded.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry"
	"go.uber.org/zap"
)

// Two addresses of the loopback, so that the ports can be told apart.
const (
	httpAddress = "127.0.0.1"
	grpcAddress = "127.0.0.2"
)

const config = `yaml:
receivers:
  otlp:
    protocols:
      http:
        endpoint: "` + httpAddress + `:%d"
        max_request_body_size: %d
      grpc:
        endpoint: "` + grpcAddress + `:0"
exporters:
  keep:
    folder: '%s'
service:
  pipelines:
    profiles: {receivers: [otlp], exporters: [keep]}
    metrics: {receivers: [otlp], exporters: [keep]}
`

func components() (otelcol.Factories, error) {
	var f otelcol.Factories
	var err error

	f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return f, err
	}
	f.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](newKeepFactory())
	f.Telemetry = telemetry.NewFactory(
		func() component.Config { return &struct{}{} },
		telemetry.WithCreateLogger(func(context.Context, telemetry.LoggerSettings,
			component.Config) (*zap.Logger, component.ShutdownFunc, error) {
			logger, err := zap.NewProduction()
			return logger, nil, err
		}))
	return f, err
}

// listening returns the port on which this process listens at an address.
func listening(address string) (port int, ok bool) {
	sockets := map[string]bool{}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		name, _ := os.Readlink(link)
		if inode, found := strings.CutPrefix(name, "socket:["); found {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	table, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		return 0, false
	}
	defer table.Close()
	for lines := bufio.NewScanner(table); lines.Scan(); {
		field := strings.Fields(lines.Text())
		if len(field) < 10 || field[3] != "0A" || !sockets[field[9]] {
			continue
		}
		host, portHex, _ := strings.Cut(field[1], ":")
		raw, err := hex.DecodeString(host)
		if err != nil || len(raw) != 4 ||
			fmt.Sprintf("%d.%d.%d.%d", raw[3], raw[2], raw[1], raw[0]) != address {
			continue
		}
		if _, err := fmt.Sscanf(portHex, "%X", &port); err == nil {
			return port, true
		}
	}
	return 0, false
}

// sayPorts waits until both protocols are served, and writes the file.
func sayPorts(folder string) {
	for {
		web, okWeb := listening(httpAddress)
		rpc, okRpc := listening(grpcAddress)
		if okWeb && okRpc {
			text := fmt.Sprintf("http %s:%d\ngrpc %s:%d\n", httpAddress, web, grpcAddress, rpc)
			if err := writeFile(filepath.Join(folder, "ports"), []byte(text)); err != nil {
				fmt.Fprintln(os.Stderr, "collector:", err)
				os.Exit(1)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: collector FOLDER [MAX_REQUEST_BYTES [HTTP_PORT]]")
		os.Exit(2)
	}
	folder, limit, port := os.Args[1], 20<<20, 0
	for i, number := range []*int{&limit, &port} {
		if len(os.Args) <= 2+i {
			break
		}
		if _, err := fmt.Sscan(os.Args[2+i], number); err != nil {
			fmt.Fprintln(os.Stderr, "collector: not a number:", os.Args[2+i])
			os.Exit(2)
		}
	}
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "collector", Version: "test"},
		Factories: components,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				DefaultScheme:     "yaml",
				ProviderFactories: []confmap.ProviderFactory{yamlprovider.NewFactory()},
			},
		},
	})
	command.SetArgs([]string{
		"--config=" + fmt.Sprintf(config, port, limit, strings.ReplaceAll(folder, "'", "''")),
		"--feature-gates=service.profilesSupport",
	})
	go sayPorts(folder)
	if err := command.Execute(); err != nil {
		os.Exit(1)
	}
}
