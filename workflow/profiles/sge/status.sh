#!/bin/sh
# Tells Snakemake how the Grid Engine job $1 fares: running, success or failed.
# qstat knows the jobs that wait or run, qacct those that ended.

state_of() {
    jobs=$(qstat -u "$(id -un)") || { echo unknown; return; } # no answer now: ask again later
    echo "$jobs" | awk -v job="$1" '$1 == job { print $5; exit }'
}

missing=.snakemake/sge_logs/no_record.$1
case $(state_of "$1") in
*E*) # could not even start; qstat -j would say why
    qstat -j "$1" | grep '^error' >&2
    qdel "$1" >&2
    echo failed
    exit
    ;;
?*)
    [ ! -e "$missing" ] || rm "$missing" # its node died, and it came back
    echo running
    exit
    ;;
esac

# A job that ran again after its node died has several records: the last one counts, and never
# that of a run with which Grid Engine was not done (19: its watcher died, too; 24, 25: to be moved).
ended=$(qacct -j "$1" 2>/dev/null | awk '$1 == "failed" { f = $2 }
    $1 == "exit_status" && f !~ /^(19|24|25)$/ { ended = (f == 0 && $2 == 0) ? "success" : "failed" }
    END { print ended }')
# It may have come back into the queue since the first look.
if [ "$ended" = failed ] && [ -n "$(state_of "$1")" ]; then ended=running; fi
if [ -z "$ended" ]; then
    # The record comes some seconds after the end. Where none comes, the accounting cannot be
    # read on this host, or the job was removed before it ran.
    [ -e "$missing" ] || touch "$missing"
    if [ -z "$(find "$missing" -mmin +3)" ]; then
        ended=running
    else
        echo "no record of how job $1 ended: did qacct -j $1 ever work on this host?" >&2
        ended=failed
    fi
fi
echo "$ended"
