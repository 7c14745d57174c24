# SPDX-License-Identifier: Apache-2.0
#
# otheap: build/libotheap.so (preloaded into the program) and build/otheap
# (the command).  One file, not recursive; `make help` lists the targets.

VERSION    := 0.1.0

PREFIX     ?= /usr/local
DESTDIR    ?=
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
BASHDIR    ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions
FISHDIR    ?= $(PREFIX)/share/fish/vendor_completions.d
CC         ?= cc
CXX        ?= c++
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g
V          ?= 0
# WERROR=1 turns warnings into errors (CI does).
WERROR     ?= 0
B          ?= build

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' '$(1)' '$(patsubst $(B)/%,%,$@)')

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := all

# ---- flags -----------------------------------------------------------------
# Ours are appended, so that a packager's CFLAGS cannot lose them.

warn := -Wall -Wextra -Wundef -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla -Wwrite-strings -Wno-unused-parameter
base := -std=gnu11 -D_GNU_SOURCE -DOH_VERSION='"$(VERSION)"' -I. -I$(B)/gen -MMD -MP $(warn) \
	$(if $(filter 1,$(WERROR)),-Werror)
# Inside a stranger's process: nothing visible that we did not mean to export;
# TLS without allocation; no call invented by the compiler (malloc+memset must
# not become our own calloc); small frames for small stacks; unwind tables.
host := $(base) -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-plt \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free \
	-fno-stack-protector -fasynchronous-unwind-tables -ffunction-sections -fdata-sections \
	-Wframe-larger-than=2048
host_ld := -shared -Wl,-soname,libotheap.so -Wl,--version-script=preload/otheap.map \
	-Wl,-z,defs,-z,now,-z,relro,-z,nodelete,-z,initfirst -Wl,--gc-sections \
	-Wl,--exclude-libs,ALL -Wl,-Bsymbolic-functions -static-libgcc

# ---- what is built of what ---------------------------------------------------

lib_src   := $(wildcard core/*.c proto/*.c preload/*.c)
# The command shares the table of settings with the library.
tool_core := core/config.c core/out.c
tool_src  := $(wildcard tools/*.c) $(tool_core)

lib_obj   := $(lib_src:%.c=$(B)/host/%.o) $(B)/host/gen/proto/profile.pb-c.o
otlp_gen  := $(patsubst %.proto,gen/%.pb-c,$(wildcard proto/otlp/*.proto))
tool_obj  := $(tool_src:%.c=$(B)/tool/%.o) $(otlp_gen:%=$(B)/tool/%.o) $(B)/tool/gen/proto/profile.pb-c.o

lib_static = $(shell $(PKG_CONFIG) --variable=libdir libprotobuf-c)/libprotobuf-c.a \
	$(shell $(PKG_CONFIG) --variable=libdir zlib)/libz.a
tool_libs  = $(shell $(PKG_CONFIG) --libs libprotobuf-c zlib libdw libelf libcurl) -liberty -lm

.PHONY: all
all: $(B)/libotheap.so $(B)/otheap ## build the library and the command

$(B)/gen/proto/%.pb-c.c $(B)/gen/proto/%.pb-c.h: proto/%.proto
	$(call say,PROTO)
	$(Q)mkdir -p $(B)/gen
	$(Q)protoc-c --c_out=$(B)/gen proto/$*.proto

$(B)/host/gen/%.o: $(B)/gen/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(host) -Wno-unused -c -o $@ $<

# The slow half of the entry points finds its caller's frame through rbp; the
# fast half must leave no frame, whatever CFLAGS say.
$(B)/host/preload/slow.o: host_extra := -fno-omit-frame-pointer -fno-optimize-sibling-calls
$(B)/host/preload/hot.o $(B)/host/preload/cxx.o $(B)/host/preload/sandbox.o: host_extra := -O2 -fomit-frame-pointer

$(B)/host/%.o: %.c | $(B)/gen/proto/profile.pb-c.h
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(host) $(host_extra) -c -o $@ $<

$(B)/libotheap.so: $(lib_obj) preload/otheap.map Makefile
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(host_ld) -o $@.new $(lib_obj) $(lib_static) -lm
	$(Q)mv $@.new $@

# A generated file includes the headers of those it imports.
$(otlp_gen:%=$(B)/tool/%.o): | $(otlp_gen:%=$(B)/%.h)

$(B)/tool/gen/%.o: $(B)/gen/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(base) -Wno-unused -c -o $@ $<

$(B)/tool/%.o: %.c | $(B)/gen/proto/profile.pb-c.h $(otlp_gen:%=$(B)/%.h)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(base) -c -o $@ $<

$(B)/tool/tools/page.o $(B)/test/obj/tools/page.o: $(wildcard tools/*.html tools/*.css tools/*.js)

$(B)/otheap: $(tool_obj) Makefile
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@.new $(tool_obj) $(tool_libs)
	$(Q)mv $@.new $@

include $(wildcard tests/*.mk)

# ---- install -----------------------------------------------------------------

.PHONY: install uninstall clean help
install: all ## install under DESTDIR and PREFIX
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR) $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(MANDIR)/man1 \
	    $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man7
	install -m 755 $(B)/otheap $(DESTDIR)$(BINDIR)/otheap
	install -m 644 $(B)/libotheap.so $(DESTDIR)$(LIBDIR)/libotheap.so
	install -m 644 man/otheap.1 $(DESTDIR)$(MANDIR)/man1/otheap.1
	install -m 644 preload/otheap.h $(DESTDIR)$(INCLUDEDIR)/otheap.h
	install -m 644 man/otheap.3 $(DESTDIR)$(MANDIR)/man3/otheap.3
	install -m 644 man/otheap.7 $(DESTDIR)$(MANDIR)/man7/otheap.7
	install -d $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	$(B)/otheap completion bash > $(DESTDIR)$(BASHDIR)/otheap
	$(B)/otheap completion zsh > $(DESTDIR)$(ZSHDIR)/_otheap
	$(B)/otheap completion fish > $(DESTDIR)$(FISHDIR)/otheap.fish

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(BINDIR)/otheap $(DESTDIR)$(LIBDIR)/libotheap.so \
	    $(DESTDIR)$(INCLUDEDIR)/otheap.h $(DESTDIR)$(MANDIR)/man1/otheap.1 \
	    $(DESTDIR)$(MANDIR)/man3/otheap.3 $(DESTDIR)$(MANDIR)/man7/otheap.7 \
	    $(DESTDIR)$(BASHDIR)/otheap $(DESTDIR)$(ZSHDIR)/_otheap $(DESTDIR)$(FISHDIR)/otheap.fish

clean: ## remove everything that was built
	rm -rf $(B)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | sed -E 's/:.*## /\t/' | expand -t 14

-include $(patsubst %.o,%.d,$(lib_obj) $(tool_obj))
