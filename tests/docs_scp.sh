#!/bin/bash
# docs_scp.sh: stands for scp on the hosts of tests/docs.sh, all of whose homes are in one folder. Who reads
# the page comes when the file is there; this may come too early.
words=()
for word; do
	[ "$word" = "${word#*:}" ] || word=/home/${word%:*}/${word##*:}
	words+=("$word")
done
for _ in {1..400}; do
	for word in "${words[@]:0:${#words[@]}-1}"; do
		[ -s "$word" ] || { sleep 0.1 && continue 2; }
	done
	break
done
exec cp "${words[@]}"
