# ktap.awk: of what KUnit says, one TAP, each result of a test or of a parameter of one
# on a line of its own. A suite that says less than its plans promise is "not ok".
#
# Results are indented by four columns for each level that they are below; a plan
# stands before the results of its level, the name of a level before its plan.
function emit(ok, text) { printf "%s %d - %s\n", ok ? "ok" : "not ok", ++count, text }
{
	match($0, /^ */)
	level = int(RLENGTH / 4)
	line = substr($0, RLENGTH + 1)
}
line ~ /^# Subtest: / { name[level] = substr(line, 12); seen[level] = 0 }
line ~ /^1\.\.[0-9]+/ { planned[level] = substr(line, 4) + 0; seen[level] = 0 }
line ~ /^(not )?ok [0-9]+/ {
	seen[level]++
	below = level + 1
	if (below in planned) {
		if (planned[below] != seen[below])
			emit(0, name[below] ": " seen[below] " results of " planned[below])
		delete planned[below]
	}
	# Those below it that were skipped have said why.
	if (seen[below])
		sub(/ *# SKIP.*$/, "", line)
	seen[below] = 0
	ok = line ~ /^ok /
	sub(/^(not )?ok [0-9]+ *(- *)?/, "", line)
	path = ""
	for (i = 1; i <= level; i++)
		path = path name[i] "."
	if (level)
		emit(ok, path line)
	else if (!ok)
		emit(0, line)
}
END { printf "1..%d\n", count; exit count == 0 }
