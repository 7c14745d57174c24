# SPDX-License-Identifier: Apache-2.0
#
# bench.mk - set-up, demonstration, measurements, and what CI runs.
# Included by the Makefile.

# `make -j deps check`: what is built comes after what it is built with.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

# ---- programs of their own -----------------------------------------------------

stat_bin := $(patsubst tests/stat/%.c,$(B)/stat/%,$(wildcard tests/stat/*.c))

$(B)/stat/%: tests/stat/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 -g -std=gnu11 -D_GNU_SOURCE -fno-builtin -Wall -MMD -MP -o $@ $< -lm -pthread

bench_bin := $(patsubst tests/bench/%.c,$(B)/bench/%,$(filter-out %/empty.c,$(wildcard tests/bench/*.c))) \
	$(B)/bench/empty.so

$(B)/bench/%: tests/bench/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -std=gnu11 -D_GNU_SOURCE -fno-builtin -fno-optimize-sibling-calls -Wall -o $@ $< -pthread

$(B)/bench/empty.so: tests/bench/empty.c
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -std=gnu11 -D_GNU_SOURCE -fno-builtin -fPIC -fno-plt -shared -Wall -o $@ $<

# ---- targets ---------------------------------------------------------------------

.PHONY: deps demo bench ci
deps: ## install the Debian or Ubuntu packages that are missing
	@tests/deps.sh

demo: all ## show the main job: a real program, its heap twice
	@B='$(B)' tests/demo.sh

bench: all $(bench_bin) $(otlp_bin) $(B)/prog/mkprofile ## measure what it costs, beside its peers (BENCH_RUNS=5)
	@B='$(B)' CC='$(CC)' tests/bench/run

ci: ## what the automation runs on a fresh clone
	@.ci/run
