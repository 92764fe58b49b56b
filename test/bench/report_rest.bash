# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# report_rest.bash: the tables, targets and plots of what is measured beside the name servers. For report.sh, which has the rest.

# ---- an answer in user space: answer.tsv ----

report_answer() {
	[ -s "$dir/answer.tsv" ] || return 0
	heading "An answer in user space, without the kernel's part. Processor time in ns, a median [the least, the greatest median of a
process]; and how many times that of the fewest peers"
	awk "$LIB"'
	NR == 1 { names(); next }
	{
		row = f("kind") (f("edns") == "edns" ? ", EDNS" : "")
		if (!(row in octets))
			rows[++rows_len] = row
		octets[row] = f("octets")
		if (!(f("peers") in seen))
			sizes[++sizes_len] = f("peers")
		seen[f("peers")] = 1
		if (!(row in base))
			base[row] = f("ns")
		cell[row, f("peers")] = sprintf("%5.1f [%.1f %.1f] x %.2f", f("ns"), f("least_ns"), f("most_ns"), f("ns") / base[row])
	}
	END {
		printf "    %-16s %6s", "", "octets"
		for (i = 1; i <= sizes_len; i++)
			printf "   %-26s", commas(sizes[i]) " peers"
		print ""
		for (r = 1; r <= rows_len; r++) {
			printf "    %-16s %6d", rows[r], octets[rows[r]]
			for (i = 1; i <= sizes_len; i++)
				printf "   %-26s", cell[rows[r], sizes[i]]
			print ""
		}
	}' "$dir/answer.tsv" | sed 's/ *$//'
}

ANSWER_TARGETS="1000 80 100000 100 1000000 120" # peers, ns

answer_targets() {
	awk -v targets="$ANSWER_TARGETS" "$LIB"'
	NR == 1 { names(); next }
	f("kind") == "known" && f("edns") == "edns" { got[f("peers")] = sprintf("%.1f", f("ns")) }
	END {
		n = split(targets, t, " ")
		for (i = 1; i < n; i += 2)
			judge("user space, an answer", commas(t[i]) " peers, EDNS", got[t[i]], t[i + 1], " ns")
		exit missed > 0
	}' "$(lines_of answer)" || status=1
}

plot_answer() {
	local kind edns

	[ -s "$dir/answer.tsv" ] || return 0
	for kind in known unknown; do
		for edns in plain edns; do
			awk -v kind=$kind -v edns=$edns "$LIB"'
			NR == 1 { names(); next }
			f("kind") == kind && f("edns") == edns { print f("peers"), f("ns"), f("least_ns"), f("most_ns") }' "$dir/answer.tsv" \
				>"$work/plot.$kind key$([ $edns = plain ] || echo ', EDNS')"
		done
	done
	# shellcheck disable=SC2086 # pairs
	printf '%s\t%s\n' $ANSWER_TARGETS >"$work/targets"
	{
		plot_head answer "User space of an SRV answer: median, least, greatest median" "ns"
		plot_ticks "$work"/plot.{,un}known*
		echo "set yrange [0:*]; set offsets 0, 0, 15, 0"
		plot_lines 2:3:4 yerrorlines "known key" "known key, EDNS" "unknown key" "unknown key, EDNS" | tr -d '\n'
		# On the left of all points, so that none is covered.
		echo ", '$work/targets' using (\$1 * 0.75):2 with points pt 8 ps 1.2 lw 2 lc rgb 'black' title 'target (known key, EDNS)'"
	} | gnuplot
}

# ---- what a change costs: refresh.tsv ----

report_refresh() {
	[ -s "$dir/refresh.tsv" ] || return 0
	heading "One endpoint changed in a dump file. Processor time in ms, by stage and of all processes until DNS has it, medians"
	awk "$LIB"'
	function row(title, name, unit, format,   i) { line(title, name, unit, format, 0) }
	function line(title, name, unit, format, each,   i) {
		printf "    %-38s", title
		for (i = 1; i <= n; i++)
			printf "%15s", sprintf(format, value[name, i] / unit / (each ? value["peers", i] : 1))
		print ""
	}
	NR == 1 { names(); next }
	{ n++; for (name in column) value[name, n] = $(column[name]) }
	END {
		printf "    %-38s", "peers"
		for (i = 1; i <= n; i++)
			printf "%15s", commas(value["peers", i])
		print ""
		row("observer: read and parse the file", "read_us", 1e3, "%.2f")
		row("  of it parsing", "parse_us", 1e3, "%.2f")
		row("observer: compare with the last one", "same_us", 1e3, "%.2f")
		row("observer: make the zone", "zone_us", 1e3, "%.2f")
		row("observer: write the snapshot", "build_us", 1e3, "%.2f")
		row("worker: map it", "map_us", 1e3, "%.2f")
		row("worker: check it", "check_us", 1e3, "%.2f")
		row("  the longest step", "step_max_us", 1e3, "%.2f")
		row("worker: unmap the one before", "unmap_us", 1e3, "%.2f")
		row("observer: give that memory back", "free_us", 1e3, "%.2f")
		row("a whole wgmeetd, until it is served", "whole_us", 1e3, "%.2f")
		row("  of it the observer", "observer_us", 1e3, "%.2f")
		row("  and all that comes after", "settled_us", 1e3, "%.2f")
		line("  for each peer, in ns", "whole_us", 1e-3, "%.0f", 1)
		line("snapshot, octets for each peer", "snapshot_octets", 1, "%.0f", 1)
		row("  of it in memory, PSS", "pss_per_peer", 1, "%.0f")
	}' "$dir/refresh.tsv"
}

refresh_targets() {
	awk "$LIB"'
	NR == 1 { names(); next }
	f("peers") == 100000 { whole = f("whole_us") / 1000 }
	{ sizes[++n] = f("peers"); pss[n] = f("pss_per_peer") }
	END {
		judge("CPU, dump file to served", "100,000 peers, one changed", whole, 150, " ms")
		for (i = 1; i <= n; i++)
			judge("PSS of a snapshot", commas(sizes[i]) " peers, each", pss[i], 200, " octets")
		if (!n)
			judge("PSS of a snapshot", "each peer", "", 200, " octets")
		exit missed > 0
	}' "$(lines_of refresh)" || status=1
}

# Of each size a stack of stages, in ns a peer, and beside it what the whole program takes.
plot_refresh() {
	[ -s "$dir/refresh.tsv" ] || return 0
	awk "$LIB"'
	NR == 1 { names(); next }
	{
		each = 1000 / f("peers")
		print commas(f("peers")), f("read_us") * each, (f("same_us") + f("zone_us")) * each, f("build_us") * each,
			(f("map_us") + f("check_us")) * each, (f("unmap_us") + f("free_us")) * each, f("whole_us") * each
	}' "$dir/refresh.tsv" >"$work/stages"
	gnuplot <<-END
		set terminal svg size 720,460 dynamic background rgb 'white' font 'sans,13'
		set output '$work/svg/refresh.svg'
		set datafile separator "\t"
		set title 'One endpoint changed: processor time by stage, for each peer'
		set xlabel 'peers'; set ylabel 'ns a peer'
		set yrange [0:*]; set grid y; set key below height 1.5 maxrows 3
		set style data histogram; set style histogram rowstacked; set boxwidth 0.5; set style fill solid 0.8 noborder
		plot '$work/stages' using 2:xtic(1) title 'read and parse', '' using 3 title 'make the zone', \
			'' using 4 title 'write the snapshot', '' using 5 title 'map and check', '' using 6 title 'unmap and give back', \
			'' using 0:7 with points pt 7 ps 0.9 lc rgb 'black' title 'all processes of a wgmeetd'
	END
}

# ---- queries meanwhile: refresh_load.tsv ----

report_load() {
	[ -s "$dir/refresh_load.tsv" ] || return 0
	heading "How long a query is with a worker while a new snapshot comes each second, in us"
	awk "$LIB"'
	BEGIN {
		title["batch_to_send"] = "from its batch to its answer"
		title["wait_at_most"] = "in all, at most"
		title["munmap"] = "a step of unmapping"
	}
	NR == 1 {
		names()
		printf "    %-30s %9s %9s %9s %9s\n", "", "50 %", "99 %", "99.9 %", "most"
		next
	}
	{
		printf "    %-30s %9d %9d %9d %9d\n", title[f("what")], f("p50_us"), f("p99_us"), f("p99.9_us"), f("max_us")
		run = sprintf("    %s peers, %s questions in %s s; %s snapshots; %d lost, %d wrong, %d dropped by a socket", commas(f("peers")),
			commas(f("questions")), f("seconds"), f("snapshots"), f("lost"), f("wrong"), f("dropped"))
	}
	END { print run }' "$dir/refresh_load.tsv"
}

# A second without a snapshot proves nothing; at both ends one may be missing. Nor do questions that nobody answered.
load_targets() {
	awk "$LIB"'
	NR == 1 { names(); next }
	f("peers") == 100000 && f("what") == "batch_to_send" && f("answers") + 0 <= 0 { ms = bad = without = "no answers" }
	f("peers") == 100000 && f("what") == "batch_to_send" && f("answers") + 0 > 0 {
		ms = f("p99.9_us") / 1000
		bad = f("lost") + f("wrong") + f("dropped")
		without = 100 * (f("seconds") - f("snapshots") - 2) / f("seconds")
		without = sprintf("%.0f", without > 0 ? without : 0)
	}
	END {
		where = "100,000 peers, refreshed"
		judge("seconds without a snapshot", where, without, 10, " %")
		judge("answers lost or wrong", where, bad, 0, "")
		judge("99.9 %, batch to send", where, ms, 2, " ms")
		exit missed > 0
	}' "$(lines_of refresh_load)" || status=1
}

# ---- memory: memory.tsv ----

report_memory() {
	[ -s "$dir/memory.tsv" ] || return 0
	heading "Memory of a wgmeetd with few peers and one worker, in KiB. Alone: the share (PSS) if nobody else had the same libraries"
	awk "$LIB"'
	NR == 1 {
		names()
		printf "    %-18s %9s %9s %9s %9s\n", "", "alone", "PSS", "RSS", "own"
		next
	}
	{ printf "    %-18s %9d %9d %9d %9d\n", f("process"), f("alone_kib"), f("pss_kib"), f("rss_kib"),
		f("private_clean_kib") + f("private_dirty_kib") }' "$dir/memory.tsv"
}

memory_targets() {
	awk "$LIB"'
	NR == 1 { names(); next }
	f("peers") == 10 { alone[f("process")] = f("alone_kib"); pss[f("process")] = f("pss_kib") }
	function where(process) { return "10 peers" (process in pss ? " (PSS " commas(pss[process]) ")" : "") }
	END {
		judge("memory, all processes", where("sum"), alone["sum"], 8192, " KiB")
		judge("memory, a worker", where("worker"), alone["worker"], 1024, " KiB")
		exit missed > 0
	}' "$(lines_of memory)" || status=1
}

# ---- the client: client.tsv ----

report_client() {
	[ -s "$dir/client.tsv" ] || return 0
	heading "wgmeet sync, which looks up all peers and sets their endpoints: wall clock in ms, a median [least, most]; to target: over three
round trips and 50 us a peer; CPU in us a peer; the two processes' memory (RSS) in KiB"
	awk "$LIB"'
	NR == 1 {
		names()
		printf "    %-13s %8s %6s %-8s %-26s %9s %8s %7s %8s %5s\n", "device", "peers", "rtt", "limits", "wall", "to target", "CPU",
			"setter", "resolver", "lost"
		next
	}
	{
		lost = 0
		for (name in column) # on the way, and by sockets
			if (name ~ /^lost/)
				lost += f(name)
		printf "    %-13s %8s %6s %-8s %-26s %9.2f %8.1f %7d %8d %5d\n", f("device"), commas(f("peers")), f("rtt_ms"), f("limits"),
			sprintf("%.1f [%.1f %.1f]", f("wall_us") / 1e3, f("wall_min_us") / 1e3, f("wall_max_us") / 1e3),
			f("wall_us") / (3000 * f("rtt_ms") + 50 * f("peers")), f("cpu_us") / f("peers"), f("setter_kib"), f("resolver_kib"),
			lost
	}' "$dir/client.tsv"
}

# With the stand-in for the device: wireguard-go's own time is not the client's.
client_targets() {
	awk "$LIB"'
	NR == 1 { names(); next }
	f("device") == "mock" {
		judge("wgmeet sync", commas(f("peers")) " peers, " f("rtt_ms") " ms, " f("limits"), sprintf("%.1f", f("wall_us") / 1000),
			3 * f("rtt_ms") + f("peers") * .05, " ms")
		n++
	}
	END {
		if (!n)
			judge("wgmeet sync", "", "", "3 round trips and 50 us a peer", "")
		exit missed > 0
	}' "$(lines_of client)" || status=1
}

plot_client() {
	local rtt sep="plot" color=0 files

	[ -s "$dir/client.tsv" ] || return 0
	awk -v work="$work" "$LIB"'
	NR == 1 { names(); next }
	f("device") == "mock" && f("limits") == "off" {
		print f("peers"), f("wall_us") / 1e3, f("wall_min_us") / 1e3, f("wall_max_us") / 1e3 >(work "/rtt." f("rtt_ms"))
	}' "$dir/client.tsv"
	files=("$work"/rtt.*)
	[ -e "${files[0]}" ] || return 0
	{
		plot_head client "wgmeet sync: wall clock, median, least and most; dashed: target" ms
		plot_ticks "${files[@]}"
		echo "set logscale y; set samples 200"
		for rtt in $(cd "$work" && printf '%s\n' rtt.* | sed -n 's/^rtt\.\([0-9][0-9]*\)$/\1/p' | sort -n); do
			color=$((color + 1))
			# The target first: what comes later is drawn over it.
			printf "%s 3 * %s + x * 0.05 with lines dt 2 lc %d notitle" "$sep" "$rtt" $color
			printf ", '%s' using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.6 lc %d title '%s ms there and back'" \
				"$work/rtt.$rtt" $color "$rtt"
			sep=,
		done
		echo
	} | gnuplot
}

# ---- the kernel's WireGuard: vm.tsv ----

report_vm() {
	[ -s "$dir/vm.tsv" ] || return 0
	heading "One endpoint changed in a device of the kernel's WireGuard (in a virtual machine, so only the ratio counts): processor time of all
of wgmeetd until it is served, to that of wg show DEVICE dump"
	awk "$LIB"'
	NR == 1 { names(); next }
	{ printf "    %s peers, %d worker(s): %.2f; of it the observer %.2f\n", commas(f("peers")), f("workers"),
		f("wgmeetd_us") / f("wg_show_us"), f("observer_us") / f("wg_show_us") }' "$dir/vm.tsv"
}

vm_targets() {
	awk "$LIB"'
	NR == 1 { names(); next }
	f("peers") == 10000 && f("wg_show_us") > 0 { got = sprintf("%.2f", f("wgmeetd_us") / f("wg_show_us")) }
	END {
		judge("CPU, to wg show dump", "10,000 peers in the kernel", got, "1.00", "")
		exit missed > 0
	}' "$(lines_of vm)" || status=1
}
