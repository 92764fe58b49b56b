# make              build wgmeetd and wgmeet into build/
# make demo         two peers behind two NATs find each other (installs what is missing)
# make check        all tests (likewise); make check-long those that take longer
# make performance  all that is measured, and contrib/performance/ anew: an hour on a quiet machine, see test/bench/README
# make bench        of that wgmeetd, Knot DNS and NSD beside a bare reflector: 25 minutes
# make check-docs   only what the documentation tells to type, typed
# make check-resolvers  only those with Unbound, BIND, Knot Resolver and systemd-resolved
# make pictures     those of contrib/guide anew, from their sources; make figures what its page on performance has from the tables
# make install      DESTDIR, PREFIX and the folders below; make uninstall takes the same away
# make deb          Debian packages, in build/deb/; make check-deb tries them in a fresh system
# make dist         the sources as build/wgmeet-VERSION.tar.gz
#
# V=1 shows the commands; SAN=1 builds with AddressSanitizer and UBSan into build-san/; CC=clang works.

# Its one place is the first line of the changelog; what stands behind the hyphen is the package's.
ifndef VERSION
VERSION := $(shell sed -n '1s/.*(\([^-)]*\).*/\1/p' contrib/debian/changelog)
endif
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
MANDIR  ?= $(PREFIX)/share/man
DOCDIR  ?= $(PREFIX)/share/doc/wgmeet
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR  ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d
DESTDIR ?=
CFLAGS  ?= -O2 -g
BUILD   ?= build$(if $(SAN),-san)
PKG_CONFIG ?= pkg-config
# The name of ldns for pkg-config: not the same everywhere.
LDNS    ?= ldns

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
LINK_HARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifneq ($(SAN),)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

COMMON_LIBS := libmnl libnl-route-3.0 inih libcap-ng libseccomp libsodium
SERVER_LIBS := $(COMMON_LIBS) $(LDNS) jansson
CLIENT_LIBS := $(COMMON_LIBS) $(LDNS) libcares jansson
TEST_LIBS   := $(SERVER_LIBS) libcares check

pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(WARN) $(HARDEN) $(SANITIZE) -MMD -MP $(CPPFLAGS) $(CFLAGS)
LINK = $(Q)$(CC) $(ALL_CFLAGS) $(LINK_HARDEN) $(LDFLAGS) -o $@ $^
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$(subst $(BUILD)/,,$@)")

objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c))
COMMON := $(call objects,common)
SERVER := $(call objects,server)
CLIENT := $(call objects,client)
UNIT   := $(call objects,test)
E2E    := $(patsubst test/e2e/%.c,%,$(filter-out %_shim.c,$(wildcard test/e2e/*.c)))

# What a worker links of its own: the half of the server that faces the network.
WORKER := $(patsubst %,$(BUILD)/%.o,server/worker server/udp server/tcp server/query server/answer server/sections \
	server/snapshot server/snapshot_check server/cookie server/rrl server/ranges \
	server/notify server/interest server/counters \
	common/channel common/key common/log common/records common/name)

all: $(BUILD)/wgmeetd $(BUILD)/wgmeet

# The answer path: what -O3 inlines and unrolls is a fifteenth of its time.
HOT_CFLAGS ?= -O3
$(patsubst %,$(BUILD)/server/%.o,query answer sections udp): override CFLAGS += $(HOT_CFLAGS)

# common/ sees common/, a program sees itself and common/, tests see all. A library's header may have the name of ours:
# ours is "seccomp.h", and libseccomp's <seccomp.h>.
$(BUILD)/common/%.o: INCLUDE = -iquote common
$(BUILD)/server/%.o: INCLUDE = -iquote server -iquote common
$(BUILD)/client/%.o: INCLUDE = -iquote client -iquote common
$(BUILD)/test/%.o:   INCLUDE = -iquote test -iquote server -iquote client -iquote common

$(BUILD)/%.o: %.c | packages
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(INCLUDE) $(call pkg,--cflags,$(CLIENT_LIBS) $(if $(filter test/%,$<),check)) -c -o $@ $<

$(BUILD)/wgmeetd: $(SERVER) $(COMMON)
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(SERVER_LIBS))

$(BUILD)/wgmeet: $(CLIENT) $(COMMON)
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(CLIENT_LIBS))

# The unit tests link everything but the programs' main().
$(BUILD)/test/unit: $(UNIT) $(COMMON) $(filter-out %/main.o,$(SERVER) $(CLIENT))
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

# What the end-to-end tests are helped by.
$(addprefix $(BUILD)/test/,$(E2E)): $(BUILD)/test/%: $(BUILD)/test/e2e/%.o $(COMMON)
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

# It is the client's other half of status.
$(BUILD)/test/e2e/teller.o $(BUILD)/test/e2e/drip.o: INCLUDE = -iquote client -iquote common
$(BUILD)/test/teller: $(patsubst %,$(BUILD)/client/%.o,reporter report path path_act paths)

# What the benchmark of the client is helped by.
BENCH_CLIENT := $(addprefix $(BUILD)/test/,delay client_device client_time)

$(BENCH_CLIENT): $(BUILD)/test/%: $(BUILD)/test/bench/%.o $(COMMON)
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

# A bed of test/e2e has it, too.
tests: $(BUILD)/test/client_device

bench-client: | values-client deps-check
	@$(MAKE) --no-print-directory all $(BENCH_CLIENT)
	@BUILD=$(abspath $(BUILD)) bash test/bench/client.sh
.PHONY: bench-client

# The judge of the answers under faults, and what it loads into the server.
$(BUILD)/test/judge: $(filter-out %/shim.o %/shim_memory.o %/short.o,$(call objects,test/faults)) $(COMMON)
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

$(BUILD)/test/short: $(BUILD)/test/faults/short.o $(BUILD)/test/answers.o $(COMMON) $(filter-out %/main.o,$(SERVER))
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

$(BUILD)/test/shim.so $(BUILD)/test/shim_memory.so: $(BUILD)/test/%.so: test/faults/%.c
$(BUILD)/test/clock_shim.so: $(BUILD)/test/%.so: test/e2e/%.c
$(BUILD)/test/%.so:
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -o $@ $< -ldl

# The fuzz targets, linked to replay a corpus.
$(BUILD)/test/fuzz_%: $(BUILD)/test/fuzz/fuzz_%.o $(BUILD)/test/fuzz/replay.o $(BUILD)/test/answers.o $(COMMON) $(filter-out %/main.o,$(SERVER))
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

$(BUILD)/test/fuzz_reply: $(BUILD)/client/reply.o
$(BUILD)/test/fuzz_push: $(BUILD)/client/push.o $(BUILD)/client/reply.o

# A worker whose system calls are the fuzz target's.
$(BUILD)/test/fuzz_worker: override LDFLAGS += -Wl,@test/fuzz/worker.wrap

# udp.c and the answer path, with what the kernel does replaced.
$(BUILD)/test/answer_loop: override LDFLAGS += -Wl,--wrap=recvmmsg,--wrap=sendmmsg
$(BUILD)/test/answer_loop: $(BUILD)/test/bench/answer_loop.o $(BUILD)/test/answers.o $(BUILD)/test/util.o $(COMMON) $(filter-out %/main.o,$(SERVER))
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

$(BUILD)/test/kernel_test: $(BUILD)/test/vm/kernel_test.o $(COMMON)
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

# What a change in the registry costs; see test/bench/refresh.sh.
$(BUILD)/test/refresh: $(patsubst %.c,$(BUILD)/%.o,$(wildcard test/bench/refresh*.c)) $(COMMON) $(filter-out %/main.o,$(SERVER))
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(SERVER_LIBS))

$(BUILD)/test/pace: $(BUILD)/test/bench/pace.o $(BUILD)/test/bench/refresh_peers.o $(COMMON)
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(SERVER_LIBS))

$(BUILD)/test/batch_shim.so: $(BUILD)/test/%.so: test/bench/%.c

# The state machines of wgmeet run in simulated time.
$(BUILD)/test/sim/sim: $(call objects,test/sim) $(COMMON) $(filter-out %/main.o,$(CLIENT))
	$(call say,LD)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

# The benchmark: a reflector, which links nothing, and the generator.
$(BUILD)/bench/reflector: $(BUILD)/test/bench/reflector.o
	$(call say,LD)
	@mkdir -p $(@D)
	$(LINK)

$(BUILD)/bench/load: $(patsubst %,$(BUILD)/test/bench/%.o,load rounds slice closed open question peers cost latency) $(COMMON)
	$(call say,LD)
	@mkdir -p $(@D)
	$(LINK) $(call pkg,--libs,$(TEST_LIBS))

tests: all $(addprefix $(BUILD)/test/,unit $(E2E) sim/sim kernel_test judge short shim.so shim_memory.so \
	clock_shim.so fuzz_query fuzz_worker fuzz_dump fuzz_uapi fuzz_netlink fuzz_reply fuzz_push fuzz_conf) \
	$(addprefix $(BUILD)/bench/,load reflector)

demo: | deps-demo
	@$(MAKE) --no-print-directory all
	@BUILD=$(abspath $(BUILD)) contrib/demo/demo.sh

check: | deps-check
	@$(MAKE) --no-print-directory tests check-layers
	@BUILD=$(abspath $(BUILD)) test/check.sh

# What takes longer: a million answers under all faults (SEED repeats a run); what is measured in the beds of wgmeet run, ten times
# each; and breaks of the code that each turn a test red.
check-long: | deps-check
	@$(MAKE) --no-print-directory tests
	@$(BUILD)/test/sim/sim --runs 20000 --length 5
	@BUILD=$(abspath $(BUILD)) test/faults/run.sh 240 1000000 5000 $(SEED)
	@for bed in connect change registry crowd; do \
		echo "== run_$$bed" && BUILD=$(abspath $(BUILD)) ROUNDS=10 bash test/e2e/run_$$bed.sh || exit 1; done
	@$(MAKE) --no-print-directory mutants

mutants: | deps-check
	@test/mutants/run.sh

check-resolvers: | deps-check
	@$(MAKE) --no-print-directory all
	@BUILD=$(abspath $(BUILD)) bash test/resolvers/resolvers.sh

check-docs: | deps-check
	@$(MAKE) --no-print-directory all $(BUILD)/test/manager
	@BUILD=$(abspath $(BUILD)) test/docs/run.sh

check-layers: $(WORKER)
	@BUILD=$(BUILD) test/layers.sh $(WORKER)

# On a machine that does nothing else: see test/bench/README. PARTS="answer memory" are some parts only; "vm" is one that has to
# be named.
BENCH := $(addprefix $(BUILD)/,bench/load bench/reflector test/answer_loop test/refresh test/pace test/batch_shim.so)
VM    := $(if $(filter vm,$(PARTS)),$(addprefix $(BUILD)/test/,kernel_test memscan))

# What cannot be measured is refused before anything is installed or built.
values:
	@test/bench/values.sh
values-server values-client: values-%:
	@test/bench/values.sh $*

performance: | values deps-bench $(if $(VM),deps-check)
	@$(MAKE) --no-print-directory all $(BENCH) $(BENCH_CLIENT) $(VM)
	@BUILD=$(abspath $(BUILD)) test/bench/all.sh contrib/performance

bench: | values-server deps-bench
	@$(MAKE) --no-print-directory all $(BENCH)
	@PARTS=server BUILD=$(abspath $(BUILD)) test/bench/all.sh

# In the repository, so that the pages have them; a test compares.
pictures: $(patsubst %.pic,%.svg,$(filter-out %/macros.pic,$(wildcard contrib/guide/pictures/*.pic)))
contrib/guide/pictures/%.svg: contrib/guide/pictures/%.pic contrib/guide/pictures/macros.pic contrib/guide/pictures/render.sh
	$(call say,PIC)
	$(Q)contrib/guide/pictures/render.sh $< >$@

# The tables of contrib/guide/performance.md anew, from contrib/performance/tables.txt.
figures:
	@awk -f contrib/guide/figures.awk contrib/performance/tables.txt contrib/guide/performance.md >contrib/guide/performance.new
	@mv contrib/guide/performance.new contrib/guide/performance.md
.PHONY: pictures figures

deps-demo deps-check deps-bench deps-deb deps-check-deb: deps-%:
	@BUILD=$(BUILD) contrib/build/deps.sh $*

packages:
	@$(PKG_CONFIG) --exists $(SERVER_LIBS) $(CLIENT_LIBS) || contrib/build/deps.sh --tell build

# What make install makes, and make uninstall takes away: MODE,FILE,PLACE. Units and drop-ins get the programs' places.
UNITS    := wgmeetd.service wgmeet@.service wgmeet-sync@.service wgmeet-sync@.timer
EXAMPLES := examples/wgmeetd.conf examples/wg0.conf systemd/wgmeetd-userspace.conf systemd/wgmeet-userspace.conf
PAGES     = $(shell find contrib/guide contrib/prometheus -name '*.pic' -o -name '*.sh' -o -name '*.awk' -o -type f -print 2>/dev/null)
INSTALLED = 755,$(BUILD)/wgmeetd,$(SBINDIR)/wgmeetd 755,$(BUILD)/wgmeet,$(BINDIR)/wgmeet \
	$(foreach m,wgmeetd.conf.5 wgmeetd.8 wgmeet.8,644,man/$m,$(MANDIR)/man$(subst .,,$(suffix $m))/$m) \
	$(foreach u,$(UNITS),644,contrib/systemd/$u,$(UNITDIR)/$u) \
	644,contrib/systemd/wgmeet.sysusers,$(SYSUSERSDIR)/wgmeetd.conf \
	$(foreach p,wgmeetd wgmeet,644,contrib/systemd/$p.tmpfiles,$(TMPFILESDIR)/$p.conf) \
	$(foreach p,wgmeetd wgmeet,644,contrib/completions/$p.bash,$(BASHCOMPDIR)/$p) \
	$(foreach p,wgmeetd wgmeet,644,contrib/completions/_$p,$(ZSHCOMPDIR)/_$p) \
	$(foreach p,wgmeetd wgmeet,644,contrib/completions/$p.fish,$(FISHCOMPDIR)/$p.fish) \
	$(foreach e,$(EXAMPLES),644,contrib/$e,$(DOCDIR)/examples/$(notdir $e)) \
	$(foreach p,$(PAGES),644,$p,$(DOCDIR)/$(p:contrib/%=%))

install: all
uninstall install:
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SBINDIR='$(SBINDIR)' BINDIR='$(BINDIR)' contrib/build/install.sh $@ $(INSTALLED)

dist:
	@contrib/build/dist.sh $(VERSION) $(BUILD)/wgmeet-$(VERSION).tar.gz

deb: | deps-deb
	@contrib/build/deb.sh $(BUILD)/deb

# PARTS="build lintian" are some parts only.
check-deb: | deps-check-deb
	@BUILD=$(abspath $(BUILD)) bash test/packages/deb.sh

clean:
	rm -rf build build-san

.PHONY: all tests demo check check-docs check-layers check-long check-resolvers mutants performance bench values values-server values-client deps-demo deps-check deps-bench deps-deb deps-check-deb packages install uninstall dist deb check-deb clean
.DELETE_ON_ERROR:
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
