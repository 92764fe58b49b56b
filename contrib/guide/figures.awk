# figures.awk tables.txt performance.md - prints the page with the tables anew: those between a comment <!-- figures NAME --> and
# the next <!-- end -->, from contrib/performance/tables.txt.

FNR == 1 { file++ }

# ---- tables.txt ----

# "100,000 peers   what it is about": which table are we in, and with how many peers?
file == 1 && /^[0-9,]+ peers[, ]/ {
	peers = $1
	part = $0
}
file == 1 && /^(An answer in user space|One endpoint changed|Memory of a wgmeetd|wgmeet sync,|How long a query)/ { part = $1 " " $2 }
file == 1 && $1 == "knot" && NF == 2 { version["knot"] = $2 }
file == 1 && $1 == "nsd" && NF == 2 { version["nsd"] = $2 }
file == 1 && part ~ /wgmeetd\/reflector/ && $1 == "srv" {
	gsub(/\[[^]]*\]/, "")
	ratio[peers] = $2 " | " $3 " | " $4
}
file == 1 && part ~ /, srv  / && $1 == "wgmeetd" && NF > 8 { a_second[peers] = $4 }
file == 1 && part ~ /processes +KiB/ && NF == 4 { memory[peers, $1] = $3 " KiB" }
file == 1 && part == "An answer" && $1 == "known," { user_space = first_of_three() }
file == 1 && part == "One endpoint" && /a whole wgmeetd, until it is served/ { change = cells($(NF - 3), $(NF - 2), $(NF - 1), $NF) }
file == 1 && part == "How long" && $1 == "in" { waits = $(NF - 1) }
file == 1 && part == "Memory of" && $1 == "worker" { worker = $2 }
file == 1 && part == "wgmeet sync," && $1 == "mock" && $4 == "default" { sync[$2, $3] = $5 " ms" }
file == 1 { next }

# ---- the page ----

/^<!-- figures / {
	print
	skip = 1
	table($3)
}
/^<!-- end -->/ { skip = 0 }
!skip

function cells(a, b, c, d) {
	return a " | " b " | " c " | " d
}

# "known, EDNS  328  69.1 [..] x 1.00  94.8 ..." with 1,000, 100,000 and 1,000,000 peers
function first_of_three() {
	gsub(/\[[^]]*\]|x [0-9.]+/, "")
	return $4 " | " $5 " | " $6
}

function of(name, peers) {
	return (peers, name) in memory ? memory[peers, name] : "-"
}

function table(name,    i, n, p) {
	n = split("3 1,000 100,000 1,000,000", p, " ")
	if (name == "answers") {
		printf "| peers | of a bare reflector | of Knot DNS %s | of NSD %s |\n|---|---|---|---|\n", version["knot"], version["nsd"]
		for (i = 1; i <= n; i++)
			printf "| %s | %s |\n", p[i], ratio[p[i]]
	} else if (name == "own") {
		print "| peers | 1,000 | 100,000 | 1,000,000 |\n|---|---|---|---|"
		printf "| of its own, ns | %s |\n", user_space
		printf "| answers a second, of one worker | %s | %s | %s |\n", a_second[p[2]], a_second[p[3]], a_second[p[4]]
	} else if (name == "memory") {
		print "| peers | wgmeetd | Knot DNS | NSD |\n|---|---|---|---|"
		for (i = 1; i <= n; i++)
			printf "| %s | %s | %s | %s |\n", p[i], of("wgmeetd", p[i]), of("knot", p[i]), of("nsd", p[i])
		printf "| one more worker | %s KiB | - | - |\n", worker
	} else if (name == "change") {
		printf "| peers | 1,000 | 10,000 | 100,000 | 1,000,000 |\n|---|---|---|---|---|\n| processor time, ms | %s |\n", change
	} else if (name == "waits") {
		printf "| 99.9 %% of the queries waited at most | %s us |\n|---|---|\n", waits
	} else if (name == "sync") {
		print "| peers | server next door | 20 ms away | 100 ms away |\n|---|---|---|---|"
		for (i = split("10 1,000 10,000", p, " "); i > 0; i--)
			line[i] = "| " p[i] " | " sync[p[i], 0] " | " sync[p[i], 20] " | " sync[p[i], 100] " |"
		print line[1] "\n" line[2] "\n" line[3]
	}
}
