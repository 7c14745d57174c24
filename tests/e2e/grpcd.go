// SPDX-License-Identifier: Apache-2.0

// A collector that speaks gRPC and does what it is told, for tests of the
// transport: the same as collector.py, with the standard library alone.
//
//	grpcd FOLDER [CERTIFICATE KEY]
//
// A line of FOLDER/script is a status of gRPC, perhaps retry=SECONDS, and words;
// or http=STATUS, or reset.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

var (
	folder string
	mu     sync.Mutex
	count  int
)

func save(name string, data []byte) {
	path := filepath.Join(folder, name)
	if os.WriteFile(path+".new", data, 0o600) == nil {
		os.Rename(path+".new", path)
	}
}

func nextStep() (int, string) {
	mu.Lock()
	defer mu.Unlock()
	count++
	text, err := os.ReadFile(filepath.Join(folder, "script"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || lines[0] == "" {
		return count, "0"
	}
	if len(lines) > 1 {
		save("script", []byte(strings.Join(lines[1:], "\n")+"\n"))
	}
	return count, lines[0]
}

func field(number int, data []byte) []byte {
	out := binary.AppendUvarint(nil, uint64(number)<<3|2)
	out = binary.AppendUvarint(out, uint64(len(data)))
	return append(out, data...)
}

func number(field int, n uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), n)
}

// A google.rpc.Status with a RetryInfo, as grpc-status-details-bin has it.
func retryDetails(seconds uint64) string {
	info := field(1, number(1, seconds))
	detail := append(field(1, []byte("type.googleapis.com/google.rpc.RetryInfo")), field(2, info)...)
	return base64.RawStdEncoding.EncodeToString(field(3, detail))
}

func serve(w http.ResponseWriter, r *http.Request) {
	n, step := nextStep()
	body, _ := io.ReadAll(r.Body)
	problem := ""
	if len(body) < 5 || int(binary.BigEndian.Uint32(body[1:5])) != len(body)-5 {
		problem = "bad frame"
	} else if message := body[5:]; body[0] == 1 {
		if z, err := gzip.NewReader(bytes.NewReader(message)); err == nil {
			body, _ = io.ReadAll(z)
		} else {
			problem = "bad gzip"
		}
	} else {
		body = message
	}
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s %s\n", r.Proto, r.Method, r.URL.Path)
	for name, values := range r.Header {
		fmt.Fprintf(&head, "%s: %s\n", name, strings.Join(values, ","))
	}
	if problem != "" {
		fmt.Fprintf(&head, "problem: %s\n", problem)
	}
	save(strconv.Itoa(n)+".body", body)
	save(strconv.Itoa(n)+".headers", []byte(head.String()))

	words := strings.Fields(step)
	if status, found := strings.CutPrefix(words[0], "http="); found {
		code, _ := strconv.Atoi(status)
		w.WriteHeader(code)
		return
	}
	if words[0] == "reset" {
		panic(http.ErrAbortHandler)
	}
	status, words := words[0], words[1:]
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin")
	var response []byte
	if len(words) > 1 && words[0] == "partial" {
		rejected, _ := strconv.ParseUint(words[1], 10, 63)
		response = field(1, append(number(1, rejected), field(2, []byte(strings.Join(words[2:], " ")))...))
		words = nil
	}
	if status == "0" {
		w.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(response))))
		w.Write(response)
	}
	if len(words) > 0 && strings.HasPrefix(words[0], "retry=") {
		seconds, _ := strconv.ParseUint(words[0][6:], 10, 31)
		w.Header().Set("Grpc-Status-Details-Bin", retryDetails(seconds))
		words = words[1:]
	}
	w.Header().Set("Grpc-Status", status)
	if len(words) > 0 {
		w.Header().Set("Grpc-Message", url.PathEscape(strings.Join(words, " ")))
	}
}

func main() {
	folder = os.Args[1]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: http.HandlerFunc(serve), Protocols: protocols}
	save("port", []byte(strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)+"\n"))
	if len(os.Args) > 3 {
		err = server.ServeTLS(listener, os.Args[2], os.Args[3])
	} else {
		err = server.Serve(listener)
	}
	panic(err)
}
