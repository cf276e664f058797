# shellcheck shell=bash
# tap.sh: what the scripts that run tests make of what these print.

# Prints the passed, failed and skipped tests of a TAP file, and on a second line what is wrong
# with the file itself: then it counts as one more that failed.
count_tap() { # FILE STATUS
	awk -v status="$2" '
		/^ok/ && / # [Ss][Kk][Ii][Pp]/ { skip++; next }
		/^ok/ { pass++ }
		/^not ok/ { fail++ }
		/^Bail out!/ { why = $0 }
		/^1\.\.[0-9]+/ { planned = 1; plan = substr($1, 4) + 0 }
		END {
			run = pass + fail + skip
			if (why == "" && status == 124) why = "it took too long"
			if (why == "" && status > 128) why = "it was killed by signal " status - 128
			if (why == "" && !planned) why = "it said no plan"
			if (why == "" && run != plan) why = "it planned " plan " tests and ran " run
			if (why == "" && status && !fail) why = "it ended with status " status
			if (why != "") fail++
			printf "%d %d %d\n%s\n", pass, fail, skip, why
		}' "$1"
}
