# shellcheck shell=sh
# What a host answers as JSON (RFC 8259): text is escaped here and nowhere else.

# json_string TEXT. Bytes that are no UTF-8 pass as they are; the reader replaces them.
json_string() {
	case $1 in
	*[\"\\[:cntrl:]]*) printf '%s' "$1" | awk "$JSON_ESCAPED"' { text = text (NR > 1 ? "\\n" : "") escaped($0) } END { printf "\"%s\"", text }' ;;
	# Nearly all of it, without asking another program.
	*) printf '"%s"' "$1" ;;
	esac
}

# json_list: a list of the lines on stdin.
json_list() { awk "$JSON_ESCAPED"' { printf "%s\"%s\"", (NR > 1 ? "," : "["), escaped($0) } END { printf "%s", (NR > 0 ? "]" : "[]") }'; }

# For awk: a line as it stands between the quotes.
JSON_ESCAPED='
	BEGIN {
		for (i = 1; i < 32; i++) as[sprintf("%c", i)] = sprintf("\\u%04x", i)
		as["\\"] = "\\\\"
		as["\""] = "\\\""
	}
	function escaped(line, done, i, c) {
		done = ""
		for (i = 1; i <= length(line); i++) {
			c = substr(line, i, 1)
			done = done (c in as ? as[c] : c)
		}
		return done
	}'
