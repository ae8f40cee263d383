# The warden: ends the processes of its parent when that closes standard input or dies, however it
# dies. Each line says "+ PID" (started) or "- PID" (reaped, so the number may be somebody else's).
set -u
trap '' INT HUP TERM

pids=
while read -r change pid; do
	case $change in
	+) pids="$pids $pid" ;;
	-)
		rest=
		for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done
		pids=$rest
		;;
	esac
done

for p in $pids; do kill -TERM "$p" 2>/dev/null; done
tries=0
while [ -n "$pids" ] && [ "$tries" -lt 100 ]; do
	rest=
	for p in $pids; do kill -0 "$p" 2>/dev/null && rest="$rest $p"; done
	pids=$rest
	[ -z "$pids" ] || sleep 0.1 2>/dev/null || sleep 1
	tries=$((tries + 1))
done
for p in $pids; do kill -KILL "$p" 2>/dev/null; done
exit 0
