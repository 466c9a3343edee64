# Stands in for what `pfctl -n -v -P -f FILE` prints (-v file=FILE -v root=DIR): macros, lists and included files are resolved,
# one rule a line, translations before filter rules, each in the order of the file; then the anchors that it loads. As far as
# the tests' rules need it; written after the output of pfctl of FreeBSD 15.1. It refuses a line with NONSENSE, and
# statements out of order.
function fail(text) { print "pfctl: " text >"/dev/stderr"; failed = 1; exit 1 }

# A path of the host, or one in the scratch directory itself.
function real(name,    line) { if ((getline line < name) >= 0) { close(name); return name } return root name }

function load(name,    text, line, whole, open, copy) {
	name = real(name)
	while ((getline line < name) > 0) {
		text = text line
		# Behind a backslash a line goes on, and so does a comment.
		if (match(line, /\\+$/) && RLENGTH % 2) { text = substr(text, 1, length(text) - 1) " "; continue }
		whole = whole (whole == "" ? "" : " ") bare(text)
		text = ""
		copy = whole
		if (gsub(/\{/, "", copy) > gsub(/\}/, "", copy)) continue
		statement(whole)
		whole = ""
	}
	close(name)
	if (text != "") whole = whole (whole == "" ? "" : " ") bare(text)
	if (whole != "") statement(whole)
}

function bare(text,    i, c, quoted) {
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "\"") quoted = !quoted
		if (c == "#" && !quoted) { text = substr(text, 1, i - 1); break }
	}
	gsub(/[ \t]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

function statement(text,    name, w) {
	if (text == "" || text == "}") return
	if (text ~ /NONSENSE/) fail("syntax error: " text)
	if (text ~ /^[a-z_]+ ?= ?/) {
		name = text
		sub(/ ?=.*/, "", name)
		sub(/^[a-z_]+ ?= ?/, "", text)
		print name " = " text
		gsub(/"/, "", text)
		macros[name] = text
		return
	}
	for (name in macros) gsub("[$]" name, macros[name], text)
	gsub(/[{},]/, " & ", text)
	gsub(/ , | +/, " ", text)
	split(text, w, " ")
	if (w[1] == "include") { gsub(/"/, "", w[2]); load(w[2]); return }
	if (w[1] == "load") { gsub(/"/, "", w[5]); anchors[++loads] = w[5]; return }
	if (w[1] == "table") return
	reach(w[1] == "no" ? w[2] : w[1], text)
	if (w[1] != "set") expand(text)
	else if (w[2] == "skip") skip(text)
	else { if (w[2] == "require-order") any_order = w[3] == "no"; print text " " }
}

function reach(word, text,    rank) {
	rank = word == "set" ? 1 : word == "scrub" ? 2 : word ~ /^(nat|rdr|binat)(-anchor)?$/ ? 3 : 4
	if (rank < reached && !any_order) fail("Rules must be in order: options, ethernet, normalization, queueing, translation, filtering: " text)
	reached = rank
}

function skip(text,    i, n, w, names) {
	gsub(/[{}"]/, " ", text)
	n = split(text, w, " ")
	for (i = 4; i <= n; i++) names = names " " w[i]
	print (names == " none" ? "set skip on none" : "set skip on {" names " }")
}

# Lists before an arrow are rules of their own.
function expand(text,    at, end, before, items, n, i, w) {
	at = text ~ /^anchor/ ? 0 : index(text, "{")
	if (at && (index(text, "->") == 0 || at < index(text, "->"))) {
		end = index(text, "}")
		before = substr(text, 1, at - 1)
		n = split(substr(text, at + 1, end - at - 1), items, " ")
		for (i = 1; i <= n; i++) expand(before items[i] substr(text, end + 1))
		return
	}
	split(text, w, " ")
	n = w[1] == "no" ? w[2] : w[1]
	sub(/-anchor$/, "", n)
	if (n != "nat" && n != "rdr" && n != "binat") n = n == "scrub" ? n : "filter"
	found[n, ++counts[n]] = canonical(text)
}

function canonical(text,    w, n, i, word, out, from, to) {
	if (text ~ /anchor /) sub(/ \{.*/, "", text)
	n = split(text, w, " ")
	for (i = 1; i <= n; i++) {
		word = w[i]
		if (word == "from" || word == "to") {
			if (word == "to" && from == "" && out !~ / from /) out = out " from any"
			from = word
		}
		if (word == "->" && from == "from") { out = out " to any"; from = "to" }
		if (word == "port" && w[i + 1] !~ /[:=<>]/) word = "port ="
		if (word == "to" && w[i + 1] == "port") word = "to any"
		if (word == "smtp") word = 25
		if (w[1] ~ /anchor$/ && i == 2) { gsub(/"/, "", word); word = "\"" word "\"" }
		out = out (i == 1 ? "" : " ") word
	}
	if (w[1] ~ /anchor$/ && n == 2) out = out " all"
	if (out !~ / from any to any port /) sub(/ from any to any/, " all", out)
	return out
}

function show(    kinds, n, i, k) {
	n = split("scrub nat rdr binat filter", kinds, " ")
	for (i = 1; i <= n; i++) for (k = 1; k <= counts[kinds[i]]; k++) print found[kinds[i], k]
	split("", counts)
}

BEGIN {
	load(file)
	show()
	for (done = 1; done <= loads; done++) {
		reached = 0
		load(anchors[done])
		show()
	}
	exit failed
}
