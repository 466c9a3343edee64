# shellcheck shell=sh
# What a host answers as JSON (RFC 8259): text is escaped here and nowhere else.

# json_string TEXT. Bytes that are no UTF-8 pass as they are; the reader replaces them.
json_string() {
	case $1 in
	*[\"\\[:cntrl:]]*) printf '%s' "$1" | json_escaped | awk '{ text = text (NR > 1 ? "\\n" : "") $0 } END { printf "\"%s\"", text }' ;;
	# Nearly all of it, without asking another program.
	*) printf '"%s"' "$1" ;;
	esac
}

# json_list: a list of the lines on stdin.
json_list() { json_escaped | awk '{ printf "%s\"%s\"", (NR > 1 ? "," : "["), $0 } END { printf "%s", (NR > 0 ? "]" : "[]") }'; }

json_escaped() {
	awk '
		BEGIN {
			for (i = 1; i < 32; i++) as[sprintf("%c", i)] = sprintf("\\u%04x", i)
			as["\\"] = "\\\\"
			as["\""] = "\\\""
		}
		{
			line = ""
			for (i = 1; i <= length($0); i++) {
				c = substr($0, i, 1)
				line = line (c in as ? as[c] : c)
			}
			print line
		}'
}
