# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# report_server.bash: the tables and plots of the name servers, from server.tsv. For report.sh, which has the rest.

PAIRS="wgmeetd/reflector wgmeetd/knot wgmeetd/nsd reflector2/reflector"
ORDER="reflector wgmeetd wildcard knot nsd reflector2" # of the servers, in each table

# Lines: PEERS KIND PAIR ROUNDS MEDIAN QUARTILE QUARTILE of the processor time of an answer, one server's to another's in the
# same round.
server_pairs() {
	awk -v pairs="$PAIRS" "$LIB"'
	$1 == "slice" {
		if (!(($2, $4) in seen)) {
			seen[$2, $4] = 1
			peers[++rows] = $2
			kind[rows] = $4
		}
		if ($3 > rounds[$2, $4])
			rounds[$2, $4] = $3
		cpu[$2, $4, $5, $3] += $6
		answers[$2, $4, $5, $3] += $10
	}
	function each(p, k, r, s) { return cpu[p, k, s, r] / answers[p, k, s, r] }
	END {
		many = split(pairs, pair, " ")
		for (i = 1; i <= rows; i++)
			for (j = 1; j <= many; j++) {
				p = peers[i]
				k = kind[i]
				split(pair[j], two, "/")
				n = 0
				for (r = 1; r <= rounds[p, k]; r++)
					if (answers[p, k, two[1], r] > 0 && answers[p, k, two[2], r] > 0)
						v[++n] = each(p, k, r, two[1]) / each(p, k, r, two[2])
				sort(v, n)
				if (n > 0)
					print p, k, pair[j], n, quantile(v, n, .5), quantile(v, n, .25), quantile(v, n, .75)
			}
	}' "$dir/server.tsv" >"$work/pairs"
}

# Lines: PEERS KIND SERVER, then ns an answer, of the machine, answers a second, share of the processor, octets, share with
# address, with TXT, lost, late, share over TCP.
server_totals() {
	awk -v servers="$ORDER" "$LIB"'
	$1 == "slice" {
		group = $2 OFS $4
		key = group OFS $5
		if (!(group in seen))
			order[++rows] = group
		seen[group] = 1
		n[key] += $10; cpu[key] += $6; wall[key] += $7; machine[key] += $8 - $9
		tcp[key] += $11; lost[key] += $12; late[key] += $13; addresses[key] += $16; texts[key] += $17
		if (!(key in min) || $14 < min[key])
			min[key] = $14
		if ($15 > max[key])
			max[key] = $15
	}
	END {
		many = split(servers, server, " ")
		for (i = 1; i <= rows; i++)
			for (j = 1; j <= many; j++) {
				k = order[i] OFS server[j]
				if (k in n)
					print k, cpu[k] / n[k], machine[k] / n[k], n[k] * 1e9 / wall[k], cpu[k] / wall[k],
						min[k] == max[k] ? min[k] : min[k] "-" max[k], addresses[k] / n[k], texts[k] / n[k],
						lost[k], late[k], tcp[k] / n[k]
			}
	}' "$dir/server.tsv" >"$work/totals"
}

table_run() {
	heading "The name servers: the run"
	awk "$LIB"'$1 == "run" { printf "    %-10s %s\n", $2, $3 }' "$dir/server.tsv"
}

table_ratios() {
	heading "Processor time of an answer, a ratio in the same round: median of the rounds [quartiles,
from three rounds on]"
	awk -v pairs="$PAIRS" "$LIB"'
	{
		if (!(($1, $2) in seen)) {
			seen[$1, $2] = 1
			peers[++rows] = $1
			kind[rows] = $2
		}
		cell[$1, $2, $3] = $4 < 3 ? sprintf("%.3f", $5) : sprintf("%.3f [%.3f %.3f]", $5, $6, $7)
	}
	END {
		many = split(pairs, pair, " ")
		for (i = 1; i <= rows; i++) {
			if (peers[i] != peers[i - 1]) {
				printf("%s%-16s", i > 1 ? "\n" : "", commas(peers[i]) " peers")
				for (j = 1; j <= many; j++)
					printf " %-21s", pair[j]
				print ""
			}
			printf "    %-12s", kind[i]
			for (j = 1; j <= many; j++)
				printf " %-21s", ((peers[i], kind[i], pair[j]) in cell) ? cell[peers[i], kind[i], pair[j]] : "-"
			print ""
		}
	}' "$work/pairs" | sed 's/ *$//'
}

table_servers() {
	heading "Each server, over all rounds. CPU: its processor time of an answer in us; machine: all processors' less the generator's;
busy: how much of the time its processor worked; A, TXT: answers with these beside the SRV record"
	awk "$LIB"'
	{
		if ($1 != peers || $2 != kind)
			printf("%s%-28s %7s %8s %11s %6s %8s %5s %5s %5s %6s %5s\n", NR > 1 ? "\n" : "", commas($1) " peers, " $2,
				"CPU", "machine", "answers/s", "busy", "octets", "A", "TXT", "TCP", "lost", "late")
		peers = $1
		kind = $2
		printf "    %-24s %7.3f %8.3f %11s %5.1f%% %8s %4.0f%% %4.0f%% %4.0f%% %6d %5d\n", $3, $4 / 1e3, $5 / 1e3, commas($6),
			$7 * 100, $8, $9 * 100, $10 * 100, $13 * 100, $11, $12
	}' "$work/totals"
}

table_latency() {
	heading "Time to the answer in us, at the same fixed rate for all: the median, what 1 % and 0.1 % of the answers passed"
	awk -v servers="$ORDER" "$LIB"'
	function us(ns) { return $7 > 0 ? sprintf("%.1f", ns / 1e3) : "-" }
	$1 == "pooled" {
		key = $2 SUBSEP $4
		if (!(key in rate))
			order[++rows] = key
		line[key, $5] = sprintf("    %-24s %9s %9s %9s %9d %6d", $5, us($10), us($11), us($12), $7, $8)
		rate[key] = $6
	}
	END {
		many = split(servers, server, " ")
		for (i = 1; i <= rows; i++) {
			split(order[i], part, SUBSEP)
			printf("%s%-28s %9s %9s %9s %9s %6s   %s a second\n", i > 1 ? "\n" : "", commas(part[1]) " peers, " part[2],
				"50 %", "99 %", "99.9 %", "answers", "lost", commas(rate[order[i]]))
			for (j = 1; j <= many; j++)
				if ((order[i], server[j]) in line)
					print line[order[i], server[j]]
		}
	}' "$dir/server.tsv"
}

table_memory() {
	heading "Memory after that: the proportional share (PSS) of all processes in KiB, and what each peer adds, in octets
(the smallest zone is subtracted; \"-\": it is the smallest, has less than 1,000 peers, or takes no more than the smallest)"
	awk -v servers="$ORDER" "$LIB"'
	function each(p, s) {
		if (p < 1000 || p <= at[s] || kib[p, s] <= kib[at[s], s])
			return "-"
		return commas((kib[p, s] - kib[at[s], s]) * 1024 / (p - at[s]))
	}
	$1 == "memory" {
		if (!($3 in at) || $2 + 0 < at[$3])
			at[$3] = $2 + 0
		if (!($2 in seen))
			order[++rows] = $2 + 0
		seen[$2] = 1
		processes[$2, $3] = $4
		kib[$2, $3] = $5 + 0
	}
	END {
		many = split(servers, server, " ")
		for (i = 1; i <= rows; i++) {
			p = order[i]
			printf("%s%-28s %11s %10s %10s\n", i > 1 ? "\n" : "", commas(p) " peers", "processes", "KiB", "a peer")
			for (j = 1; j <= many; j++)
				if ((p, server[j]) in kib)
					printf "    %-24s %11d %10s %10s\n", server[j], processes[p, server[j]], commas(kib[p, server[j]]),
						each(p, server[j])
		}
	}' "$dir/server.tsv"
}

# A run counts if two servers that are the same program cost the same, within 3 %.
check_control() {
	local said

	heading "The control: reflector2/reflector, the same program twice, is to be within 3 % of 1"
	said=$(awk "$LIB"'
	$3 == "reflector2/reflector" {
		if (!least || $4 < least)
			least = $4
		cell[++rows] = commas($1) " peers, " $2
		n[rows] = $4
		off = $5 > 1 ? $5 - 1 : 1 - $5
		if (off > worst)
			worst = off
		if (off > .03) {
			bad++
			printf "    %s peers, %s: %.3f\n", commas($1), $2, $5
		}
	}
	END {
		for (i = 1; i <= rows; i++)
			if (n[i] > least)
				printf "    %s: %d rounds, since it was off after %d\n", cell[i], n[i], least
		if (bad || !rows)
			print "THIS RUN DOES NOT COUNT: " (rows ? "the control is off; was something else running?" : "there is no control")
		else
			printf "    off by at most %.1f %%\n", worst * 100
		exit bad || !rows
	}' "$work/pairs") || void=${said##*$'\n'} status=1
	printf '%s\n' "$said"
}

# server_target WHAT PAIR AT-MOST PEERS... - of questions for known peers, without and with EDNS.
server_target() {
	awk -v what="$1" -v pair="$2" -v most="$3" -v sizes="${*:4}" -v void="${void:+1}" "$LIB"'
	$3 == pair { got[$1, $2] = sprintf("%.3f", $5) }
	END {
		n = split(sizes, size, " ")
		for (i = 1; i <= n; i++) {
			judge(what, commas(size[i]) " peers, srv", got[size[i], "srv"], most, "")
			judge(what, commas(size[i]) " peers, srv-edns", got[size[i], "srv-edns"], most, "")
		}
		exit missed > 0
	}' "$work/pairs" || status=1
}

server_targets() {
	server_target "CPU, to the reflector's" wgmeetd/reflector 1.05 1000 100000
	server_target "CPU, to the reflector's" wgmeetd/reflector 1.08 1000000
	server_target "CPU, to Knot DNS's" wgmeetd/knot 0.75 1000
	server_target "CPU, to Knot DNS's" wgmeetd/knot 0.60 100000
	server_target "CPU, to NSD's" wgmeetd/nsd 0.75 1000
	server_target "CPU, to NSD's" wgmeetd/nsd 0.60 100000
}

# plot_server_ratios KIND - of questions
plot_server_ratios() {
	local name

	for name in wgmeetd knot nsd reflector2; do
		awk -v who="$name" -v kind="$1" "$LIB"'
		$1 == "slice" && $4 == kind { cpu[$2, $5, $3] += $6; n[$2, $5, $3] += $10; sizes[$2] = 1; if ($3 > rounds[$2]) rounds[$2] = $3 }
		END {
			for (p in sizes) {
				m = 0
				for (r = 1; r <= rounds[p]; r++)
					if (n[p, who, r] > 0 && n[p, "reflector", r] > 0)
						v[++m] = (cpu[p, who, r] / n[p, who, r]) / (cpu[p, "reflector", r] / n[p, "reflector", r])
				sort(v, m)
				if (m > 0)
					print p, quantile(v, m, .5), quantile(v, m, m < 3 ? .5 : .25), quantile(v, m, m < 3 ? .5 : .75)
			}
		}' "$dir/server.tsv" | sort -n >"$work/plot.$name"
	done
	plot_has wgmeetd knot nsd reflector2 || return 0
	{
		plot_head server-cpu "Processor time of an answer ($1), that of a bare reflector being 1" "times the reflector"
		plot_ticks "$work"/plot.{wgmeetd,knot,nsd,reflector2}
		echo "set yrange [0:*]"
		plot_lines 2:3:4 yerrorlines wgmeetd knot nsd reflector2
	} | gnuplot
}

# plot_server_latency KIND
plot_server_latency() {
	local name

	for name in wgmeetd knot nsd reflector; do
		awk -v who="$name" -v kind="$1" "$LIB"'$1 == "pooled" && $4 == kind && $5 == who && $7 > 0 { print $2, $10 / 1e3, $11 / 1e3 }' "$dir/server.tsv" |
			sort -n >"$work/plot.$name"
	done
	plot_has wgmeetd knot nsd reflector || return 0
	{
		plot_head server-latency "Time to an answer ($1): median, and up to the 99th percentile" us
		plot_ticks "$work"/plot.{wgmeetd,knot,nsd,reflector}
		echo "set logscale y"
		plot_lines 2:2:3 yerrorlines wgmeetd knot nsd reflector
	} | gnuplot
}

plot_server_memory() {
	local name

	for name in wgmeetd knot nsd; do
		awk -v who="$name" "$LIB"'$1 == "memory" && $3 == who { print $2, $5 / 1024 }' "$dir/server.tsv" | sort -n >"$work/plot.$name"
	done
	plot_has wgmeetd knot nsd || return 0
	{
		plot_head server-memory "Memory of all processes (PSS)" MiB
		plot_ticks "$work"/plot.{wgmeetd,knot,nsd}
		echo "set logscale y"
		plot_lines 2 linespoints wgmeetd knot nsd
	} | gnuplot
}

report_server() {
	[ -s "$dir/server.tsv" ] || return 0
	server_pairs
	server_totals
	table_run
	table_ratios
	table_servers
	table_latency
	table_memory
	check_control
}

plot_server() {
	local kind

	[ -s "$dir/server.tsv" ] || return 0
	# That of known peers with EDNS, which is what most send; else what there is.
	kind=$(awk '$1 == "slice" { if ($4 == "srv-edns" || first == "") first = $4 } END { print first }' "$dir/server.tsv")
	plot_server_ratios "$kind" && plot_server_latency "$kind" && plot_server_memory
}
