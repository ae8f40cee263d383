# The warden: ends the processes of its parent, with all that they have started, and removes its
# folders, when the parent closes standard input or dies, however it dies. Each line says "+ PID"
# (started; it leads a process group), "- PID" (reaped, so the number may be somebody else's), or
# "/ PATH" (a folder to remove).
set -u
trap '' INT HUP TERM PIPE
pids=
set --
while read -r change what; do
	case $change in
	+) pids="$pids $what" ;;
	-)
		rest=
		for p in $pids; do [ "$p" = "$what" ] || rest="$rest $p"; done
		pids=$rest
		;;
	/) set -- "$@" "$what" ;;
	esac
done
for p in $pids; do kill -s TERM -- "-$p" 2>/dev/null; done
# Nobody is left for whom they could finish their work well: three seconds are enough.
tries=0
while [ -n "$pids" ] && [ "$tries" -lt 30 ]; do
	rest=
	for p in $pids; do kill -s 0 -- "-$p" 2>/dev/null && rest="$rest $p"; done
	pids=$rest
	[ -z "$pids" ] || sleep 0.1 2>/dev/null || sleep 1
	tries=$((tries + 1))
done
for p in $pids; do kill -s KILL -- "-$p" 2>/dev/null; done
for folder; do rm -rf -- "$folder" 2>/dev/null || { sleep 1; rm -rf -- "$folder"; }; done
exit 0
