# SPDX-License-Identifier: Apache-2.0
#
# check.mk - the tests: unit programs, programs with a known truth, scripts.
# Included by the Makefile.
#
#   tests/unit/<layer>/test_*.c   Check programs, linked with that layer and those below
#   tests/prog/*.c *.cc           programs that know their own heap
#   tests/e2e/*.sh                the library and the command, as users use them
#   tests/real/*.sh               real programs, with and without us (slower share)
#   tests/stat/*.sh               are the estimates right? (slower share)

unit_bin := $(patsubst tests/unit/%.c,$(B)/test/%,$(wildcard tests/unit/*/test_*.c))
prog_bin := $(patsubst tests/prog/%.c,$(B)/prog/%,$(wildcard tests/prog/*.c)) \
	$(patsubst tests/prog/%.cc,$(B)/prog/%,$(wildcard tests/prog/*.cc))

# Core and proto once more, with the test seams open.
test_flags := $(base) -DOH_TEST -ftls-model=initial-exec -fno-omit-frame-pointer -Wno-missing-prototypes
t_core  := $(patsubst %.c,$(B)/test/obj/%.o,$(wildcard core/*.c))
t_proto := $(patsubst %.c,$(B)/test/obj/%.o,$(wildcard proto/*.c)) $(B)/test/obj/gen/proto/profile.pb-c.o
t_tools := $(patsubst %.c,$(B)/test/obj/%.o,$(filter-out tools/otheap.c,$(tool_src))) \
	$(B)/test/obj/gen/proto/profile.pb-c.o $(otlp_gen:%=$(B)/test/obj/%.o)
check_libs = $(shell $(PKG_CONFIG) --libs check)

$(otlp_gen:%=$(B)/test/obj/%.o): | $(otlp_gen:%=$(B)/%.h)

$(B)/test/obj/gen/%.o: $(B)/gen/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(test_flags) -Wno-unused -c -o $@ $<

$(B)/test/obj/%.o: %.c | $(B)/gen/proto/profile.pb-c.h $(otlp_gen:%=$(B)/%.h)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(test_flags) -c -o $@ $<

$(B)/test/core/%: $(B)/test/obj/tests/unit/core/%.o $(t_core)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(check_libs) -lm

$(B)/test/proto/%: $(B)/test/obj/tests/unit/proto/%.o $(t_proto) $(t_core)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(check_libs) $(shell $(PKG_CONFIG) --libs libprotobuf-c zlib) -lm

$(B)/test/tools/%: $(B)/test/obj/tests/unit/tools/%.o $(t_tools)
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(check_libs) $(tool_libs) -lm

# OTLP requests as files: what the command sends, without sending it.
otlp_bin := $(B)/otlp/encode $(B)/otlp/check
$(B)/otlp/%: $(B)/test/obj/tests/otlp/%.o $(filter-out %/tools/otheap.o,$(tool_obj))
	$(call say,LD)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(tool_libs) $(check_libs)

# A program with a known truth is built as users build theirs.
$(B)/prog/%: tests/prog/%.c
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O1 -g -std=gnu11 -D_GNU_SOURCE -fno-builtin -fno-optimize-sibling-calls -Wall -MMD -MP -o $@ $< -lm -pthread

$(B)/prog/%: tests/prog/%.cc
	$(call say,CXX)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) -O1 -g -fno-builtin -fno-optimize-sibling-calls -Wall -MMD -MP -o $@ $< -pthread

.PHONY: unit check check-real check-sanitize test-programs
test-programs: $(unit_bin) $(prog_bin)

unit: $(unit_bin) ## build and run the unit tests
	@tests/run $(B)/unit $(unit_bin)

check: all test-programs $(otlp_bin) ## every test but the slower share
	@tests/run $(B)/check $(unit_bin) $(sort $(filter-out %/lib.sh,$(wildcard tests/lint/*.sh))) \
		$(sort $(filter-out %/lib.sh %/collector.sh,$(wildcard tests/e2e/*.sh)))

check-real: all test-programs $(stat_bin) $(otlp_bin) ## slower share: real programs and statistics
	@TEST_TIMEOUT=$${TEST_TIMEOUT:-1500} tests/run $(B)/check-real $(sort $(filter-out %/lib.sh,$(wildcard tests/real/*.sh))) \
		$(sort $(wildcard tests/stat/*.sh))

check-sanitize: ## slower share: unit tests under ASan+UBSan and TSan
	@$(MAKE) --no-print-directory B=$(B)/asan CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined' unit
	@$(MAKE) --no-print-directory B=$(B)/tsan CFLAGS='-O1 -g -fsanitize=thread' unit

-include $(wildcard $(B)/test/obj/*/*.d $(B)/test/obj/tests/otlp/*.d $(B)/test/obj/tests/unit/*/*.d $(B)/prog/*.d)
