# The keeper: runs one throw-away PostgreSQL server for the process that holds the other end of
# standard input, and leaves nothing behind when that process closes it or dies, however it dies.
#
#   sh -c SCRIPT keeper BINDIR TMPDIR SETTING…
#
# Standard input: the superuser's password, one line; then nothing until it is closed.
# Standard output: the server's folder, one line. Standard error: initdb's and the server's log;
# its end tells the parent that the server is gone.
set -u
umask 077
bin=$1 tmp=$2
shift 2

# The keeper must outlive the terminal and the Ctrl-C that end its parent. PIPE: the log's reader
# may be dead while there is still work to do.
trap '' INT HUP PIPE

IFS= read -r password || exit 1
dir=$(mktemp -d "$tmp/followup-postgres.XXXXXX") || exit 1
pid=

cleanup() {
	trap '' TERM
	tries=0
	# Again and again, because a postmaster that has only just been forked ignores SIGQUIT (POSIX:
	# commands run with & do) until it installs its handlers. The loop ends when the shell has
	# reaped it.
	while [ -n "$pid" ] && kill -QUIT "$pid" 2>/dev/null; do
		sleep 0.05 2>/dev/null || sleep 1
		tries=$((tries + 1))
		[ "$tries" -ne 200 ] || kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$dir" 2>/dev/null || { sleep 1; rm -rf "$dir"; }
}
trap cleanup EXIT
trap 'exit 1' TERM

printf '%s\n' "$dir"
cd "$dir" || exit 1
printf '%s\n' "$password" >password

"$bin/initdb" --pgdata=data --username=postgres --pwfile=password --auth=scram-sha-256 \
	--encoding=UTF8 --no-locale --no-sync </dev/null >&2 || exit 1
rm -f password

"$bin/postgres" -D "$dir/data" "$@" </dev/null >&2 &
pid=$!
exec >/dev/null 2>&1

read -r _
exit 0
