# Sourced by scripts that wait for something long: with_progress runs it, end_progress belongs in their EXIT trap.

progress_group= # the process group that runs now

# A sign of life every two seconds, the output only on failure; returns the command's exit code.
with_progress() { # TITLE LOG COMMAND...
    local title=$1 log=$2 next=$((SECONDS + 2)) code=0
    shift 2
    printf '%s ...\n' "$title"
    set -m # a group of its own, so that end_progress ends its children too
    "$@" >"$log" 2>&1 </dev/null &
    progress_group=$!
    set +m
    while sleep 0.1 && kill -0 "$progress_group" 2>/dev/null; do
        if [ $SECONDS -ge $next ]; then
            next=$((SECONDS + 2))
            printf '    %s\n' "$(tail -n 1 "$log" | cut -c1-100)"
        fi
    done
    wait "$progress_group" || code=$?
    progress_group=
    [ $code -eq 0 ] || cat "$log" >&2
    return $code
}

end_progress() {
    [ -z "$progress_group" ] || kill -- "-$progress_group" 2>/dev/null || true
}
