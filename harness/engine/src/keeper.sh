# Outlives the harness and clears away what it left, however it ended: the pipe to our standard input
# closes when the harness is gone, even after SIGKILL. Signals from the terminal must not end us first.
trap '' INT TERM HUP QUIT
watched=''
while IFS=' ' read -r verb kind value; do
  case $verb in
    watch) watched="$watched$kind $value
" ;;
    forget) watched=$(printf '%s' "$watched" | grep -vxF "$kind $value")
      [ -z "$watched" ] || watched="$watched
" ;;
  esac
done
[ -n "$watched" ] || exit 0
each() {
  printf '%s' "$watched" | while IFS=' ' read -r kind value; do
    [ "$kind" = "$1" ] && "$2" "$value"
  done
}
quit() { kill -s QUIT "$1" 2>/dev/null; }
end_group() { kill -s KILL -- "-$1" 2>/dev/null; }
wait_for() {
  tries=0
  while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 20 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL -- "-$1" 2>/dev/null
}
remove_container() { docker rm -f -v "$1" >/dev/null 2>&1; }
remove_directory() { case $1 in */overdraft-*) rm -rf -- "$1" ;; esac; }
each group end_group
each postgres quit
each postgres wait_for
each container remove_container
each directory remove_directory
